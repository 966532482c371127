"""The details of findings in Chinese: phrase for phrase what the checks say in English. Pure."""

from __future__ import annotations

import re

_PHRASES = {
    "it covers entries that come later": "所涵盖的条目晚于自身",
    "it falls behind, or differs from, one that an entry before it had seen": "落后于或不同于此前条目所见",
    "it forgets one that an entry before it had seen": "此前条目已见，此条目却无",
    "its root is not that of the checkpoint": "树根与检查点条目不同",
    "`last` does not follow from its fragments": "末值与各片不相符",
    "a fragment before the last is empty": "末片之前有空片",
    "a key the journal does not know": "日志不认识其密钥",
    "a later one is here": "后面的段尚在",
    "a new run that begins with another kind of entry": "新的运行以其他种类的条目开始",
    "a part is not a definite byte string of allowed length": "组成部分不是规定长度的字节串",
    "a second `run` entry in one run": "同一次运行中有第二个运行条目",
    "a session begins while another is open": "前一场次未结束又开始新场次",
    "a uuid box that is not a seal": "封签位置上是其他内容",
    "an emergency key must sign its own entry": "应急密钥必须签署自己的条目",
    "an entry after `stop` in the same run": "停机之后同一次运行仍有条目",
    "an entry before the `run` entry of its run": "运行条目之前已有其他条目",
    "and more behind them": "其后还有其他字节",
    "another boot within one run": "同一次运行跨越两次开机",
    "booleans and floats are outside the profile": "含有不允许的数据类型",
    "bytes follow the envelope": "信封之后有多余字节",
    "ends in zeros inside its seal": "封签以零结尾",
    "zeros where the identity box belongs": "身份框处全为零",
    "zeros where the seal belongs": "封签处全为零",
    "ends inside the identity box": "文件在身份框内中断",
    "ends inside the seal box": "文件在封签内中断",
    "init exceeds 1 MiB": "头部超过 1 MiB",
    "integer of more than 64 bits": "整数超过 64 位",
    "it is not final though the segment was closed": "段已收尾，但末个封签不是收尾封签",
    "it is not the seal of the last fragment": "不是末片的封签",
    "it is not the stated one": "与声明的不同",
    "it lists no fragment": "未列出任何片",
    "it names a session that is not open": "所属场次未在进行",
    "an emergency names a key the log has known": "应急密钥是日志中早已有过的密钥",
    "a key is rotated or retired within a session": "在场次进行中轮换或停用密钥",
    "only the key that an emergency replaced returns": "只有被应急密钥顶替的密钥才能恢复使用",
    "its key was not in force where its seals stand": "封签所处位置上，其密钥并未在用",
    "its seals are older than the session": "封签早于场次开始",
    "seals alone": "仅凭封签",
    "its new key was in the log before": "新密钥是日志中早已有过的密钥",
    "no entry is there": "没有任何条目",
    "it names another predecessor": "所称的前一段不同",
    "it names no known key, or no last trusted entry": "未指明已知密钥或最后可信条目",
    "it names no new key": "未指明新密钥",
    "it names no session": "未指明场次",
    "it speaks of a key that never was": "所指密钥从未存在",
    "its boxes are not prft, moof, mdat": "其组成不是 prft、moof、mdat",
    "its hash is not the sealed one": "其哈希与封签不符",
    "its hash is not the stated one": "其哈希与声明不符",
    "its journal head or counts fall behind the seal before": "其计数或所见日志落后于前一封签",
    "its length is not that between its bounds": "时长与起止不符",
    "its predecessor or first indices are not the stated ones": "其前一段或起始序号与声明不符",
    "its root does not follow from its peaks": "树根与其子树根不符",
    "its root is not that of the entries": "树根与此前条目不符",
    "its seal names an entry after its own statement": "封签所称条目晚于段声明",
    "its size is impossible": "其大小不可能",
    "its sizes do not add up, or exceed 64 MiB": "大小之和不符，或超过 64 MiB",
    "its span ends before it begins": "结束时间早于开始时间",
    "it does not extend the term of the session": "未延长该场次的保存期限",
    "it lifts no hold of this session": "所解除的保全并不存在",
    "its receipts do not ascend": "所列回执未按序",
    "its act and fields do not fit": "内容与行为不符",
    "kid does not name this key": "密钥标识与密钥不符",
    "its moment is of another boot, or later than the entry itself": "所称时刻属于另一次开机，或晚于条目自身",
    "it names no entry that forbade this": "没有相应的禁止条目",
    "it forbids, and names another entry": "禁止条目却指向另一条目",
    "it is over already": "此前已经解除",
    "it is over before it began": "解除早于开始",
    "it names no gap, no refused start and no end of a session": "所指不是中止、拒绝开始或场次结束",
    "it discharges no duty that is open": "没有相应的未办事项",
    "no record holds the written statement": "未附书面说明",
    "length is not minimally encoded": "长度编码不唯一",
    "more boxes than ftyp, moov and identity before the first fragment": "首片之前有多余的框",
    "names another journal entry under the same number": "对同一编号的条目给出不同的哈希",
    "belongs to another file": "属于另一文件",
    "follows the final seal": "位于收尾封签之后",
    "no `recovered` entry beside the `run` entry after an unclean end": "非正常结束后缺少恢复条目",
    "no final seal": "没有收尾封签",
    "no identity box after moov": "moov 之后没有身份框",
    "no seal follows its head": "文件头之后没有封签",
    "no seal in it verifies": "没有一个封签有效",
    "not a COSE_Sign1 with tag 18 and an empty unprotected header": "不是规定的签名信封，或含有未受保护的头部",
    "not the deterministic encoding": "不是唯一的确定编码",
    "protected header is not exactly {alg: -8, content type, kid}": "受保护头部不是规定的三项",
    "public key is not a point of the curve": "公钥不是曲线上的点",
    "public key is not canonical": "公钥编码不规范",
    "public key is of small order": "公钥的阶过小",
    "seals nothing and does not end the segment": "空片之后没有收尾",
    "signature R is not canonical": "签名 R 不规范",
    "signature S is not below the group order": "签名 S 越界",
    "signature does not verify": "签名与内容不符",
    "tags are outside the profile": "含有不允许的标签",
    "the entry ends outside the file or is too long": "条目超出文件或过长",
    "the journal does not begin with an enrolment": "日志不以登记条目开始",
    "the next one is here": "后一段尚在",
    "the seal box claims more bytes than its seal has": "封签框所称长度大于封签",
    "a symbolic link": "是符号链接",
    "behind a symbolic link": "位于符号链接之后",
    "not a regular file": "不是普通文件",
    "number": "编号",
    "previous": "前一段",
    "first frame": "首帧序号",
    "first sample": "首个采样序号",
}

_PATTERNS = (
    (re.compile(r"^(\d+) / (\d+) fragments$"), "{1} 片中 {0} 片完好"),
    (re.compile(r"^a heartbeat knew fragment (\d+) of segment (\d+)$"), "心跳条目曾见第 {1} 号段第 {0} 片"),
    (re.compile(r"^it starts with entry (\d+)$"), "首个条目为第 {0} 号"),
    (re.compile(r"^entry (\d+)$"), "第 {0} 号条目"),
    (re.compile(r"^entry (\d+) does not come before it$"), "第 {0} 号条目不在其前"),
    (re.compile(r"^entry (\d+) is no receipt before it$"), "第 {0} 号条目不是其前的回执"),
    (re.compile(r"^entry (\d+) is no order before it$"), "第 {0} 号条目不是其前的命令"),
    (re.compile(r"^gap (\d+) is still open$"), "第 {0} 号中止尚未结束"),
    (re.compile(r"^(\d+) is no open gap of this session$"), "本场次没有第 {0} 号未结束的中止"),
    (re.compile(r"^its cause is (\d+) where (\d+) is true$"), "所称原因为 {0}，实为 {1}"),
    (re.compile(r"^its ordinal is (\d+), not (\d+)$"), "所称序数为 {0}，应为 {1}"),
    (re.compile(r"^its size is (\d+)$"), "所称大小为 {0}"),
    (re.compile(r"^(\d+) peaks cannot be a tree of size (\d+)$"), "{0} 个子树根不能构成 {1} 个条目的树"),
    (re.compile(r"^(\d+) days$"), "早 {0} 天"),
    (re.compile(r"^(\d+) s$"), "早 {0} 秒"),
    (re.compile(r"^run (\d+) after run (\d+)$"), "第 {1} 次运行之后出现第 {0} 次"),
    (re.compile(r"^segment (\d+) is stated twice$"), "第 {0} 号段被声明两次"),
    (re.compile(r"^segment (\d+) is older than what was stated before it$"), "第 {0} 号段的内容早于此前已声明的内容"),
    (re.compile(r"^was made for fragment (\d+) at offset (\d+)$"), "原为第 {0} 片、位置 {1} 所作"),
    (
        re.compile(r"^it counts (\d+) frames, (\d+) samples; the statement \((\d+), (\d+)\)$"),
        "计数 {0}、{1}，声明为 {2}、{3}",
    ),
    (re.compile(r"^a box b'(.*)' where (\w+) belongs$"), "应为 {1} 处出现 {0}"),
    (re.compile(r"^follows the last of (\d+) fragments$"), "位于第 {0} 片之后，超过片数上限"),
    (re.compile(r"^content type '(.*)' is not of this format$"), "内容种类 {0} 不属于本格式"),
    (re.compile(r"^zeros where (\w+) belongs$"), "应为 {0} 处全为零"),
    (re.compile(r"^ends (?:inside|before) (\w+)$"), "文件在 {0} 处中断"),
    (re.compile(r"^(\w+) claims (\d+) bytes$"), "{0} 所称长度 {1} 字节不可能"),
    (re.compile(r"^session ([0-9a-f]{32})(?:, segment (\d+))?$"), "自称属于场次 {0} 第 {1} 号段"),
    (re.compile(r"^segment (\d+)$"), "自称第 {0} 号段"),
    (re.compile(r"^endorsement (\d+): of another log or key$"), "第 {0} 份背书属于另一日志或密钥"),
)
_WRAPPED = (
    (re.compile(r"^(.*) \((\d+) bytes\)$"), "{0}（{1} 字节）"),
    (re.compile(r"^(\d+) \((.*)\)$"), "{0}（{1}）"),
    (re.compile(r"^([\w.@ -]+): (.*)$"), "{0}：{1}"),
)
# Details quote bytes of whoever made the files: how deep they may nest is for this module to say, not for them.
_DEEPEST = 5


def detail_zh(english: str, deepest: int = _DEEPEST) -> str:
    """The detail in Chinese; numbers, names and what has no translation stay as they are."""
    if deepest == 0:
        return english
    if english in _PHRASES:
        return _PHRASES[english]
    for pattern, chinese in _PATTERNS:
        if found := pattern.match(english):
            return chinese.format(*(part or "?" for part in found.groups()))
    for pattern, chinese in _WRAPPED:
        if found := pattern.match(english):
            return chinese.format(*(detail_zh(part, deepest - 1) for part in found.groups()))
    if ", " in english:
        return "、".join(detail_zh(part, deepest - 1) for part in english.split(", "))
    return english
