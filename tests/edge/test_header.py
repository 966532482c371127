"""The header of a session: what a clerk writes is read, checked by the profile and kept; strange texts do no harm."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import header as headers
from edge.header import LABELS, SessionHeader, blanks, contents, merged, parse, refusal, to_bytes
from edge.profiles.reading import load_named
from edge.profiles.schema import Procedure, Profile
from edge.requests import BadRequest
from liuhen.registry import ExStatus, RecordLabel, SecrecyClass

ZEZHOU, JIAOZUO, NEUTRAL = (load_named(name) for name in ("zezhou", "jiaozuo", "neutral"))
FULL = SessionHeader(
    procedure=Procedure.HEARING,
    case_number="（泽）应急罚〔2026〕1 号",
    cause="未按规定报告",
    matter="24",
    parties=("张三",),
    related_persons=("王五",),
    officials=("李四", "赵六"),
    certificates=("041001", "041002"),
    host="孙七",
    recorder="周八",
    place="第一听证室",
    secrecy=SecrecyClass.TRADE_SECRET,
    ex_status=ExStatus.NO_ZONE,
)


def test_json_and_lines_say_the_same() -> None:
    lines = (
        "procedure=hearing\ncase_number=（泽）应急罚〔2026〕1 号\ncause=未按规定报告\nmatter=24\nparties=张三\n"
        "related_persons=王五\nofficials=李四；赵六\ncertificates=041001; 041002\nhost=孙七\nrecorder=周八\n"
        "place=第一听证室\nsecrecy=trade_secret\nex_status=no_zone\n"
    )
    assert parse(lines.encode()) == FULL
    assert parse(to_bytes(FULL)) == FULL


@pytest.mark.parametrize("profile", [ZEZHOU, JIAOZUO], ids=["zezhou", "jiaozuo"])
def test_each_field_the_profile_wants_is_one_clear_line_where_it_is_blank(profile: Profile) -> None:
    matter = "24" if profile is ZEZHOU else "附件3-监督检查-1"
    full = merged(FULL, SessionHeader(matter=matter))
    assert refusal(full, profile) is None
    assert blanks(full, profile) == []
    for field in profile.header_of(Procedure.HEARING):
        empty = () if field.value in headers.LISTS else ""
        left = {one: getattr(full, one) for one in LABELS} | {field.value: empty}
        (line,) = blanks(SessionHeader(**left), profile)
        assert f"首部缺少“{LABELS[field.value][0]}”" in line[0]
        assert "\n" not in line[0] + line[1]


def test_one_official_is_not_two_and_every_official_has_a_number() -> None:
    one = merged(FULL, SessionHeader(officials=("李四",), certificates=("041001",)))
    assert [zh for zh, _ in blanks(one, ZEZHOU)] == ["执法人员应不少于 2 名"]
    short = merged(FULL, SessionHeader(certificates=("041001",)))
    refused = refusal(short, ZEZHOU)
    assert refused is not None
    assert "一一对应" in refused[0]


def test_a_matter_and_a_procedure_that_the_profile_does_not_have_are_refused() -> None:
    for wrong in (SessionHeader(matter="39"), SessionHeader(matter="张三诉李四")):
        refused = refusal(wrong, ZEZHOU)
        assert refused is not None
        assert "清单没有这一事项序号" in refused[0]
        assert "张三" not in refused[0] + refused[1]
    assert refusal(SessionHeader(matter="24"), NEUTRAL) is not None  # a neutral profile has no list


def test_a_matter_of_another_procedure_is_refused_and_one_of_none_may_be_named_in_any() -> None:
    refused = refusal(SessionHeader(procedure=Procedure.LICENCE_HEARING, matter="24"), ZEZHOU)
    assert refused is not None
    assert "不属于“行政许可听证”程序；该程序的事项：4" in refused[0]
    for procedure, matter, profile in (
        (Procedure.LICENCE_HEARING, "4", ZEZHOU),
        (Procedure.LICENCE_HEARING, "2", ZEZHOU),
        (Procedure.HEARING, "31", ZEZHOU),
        (Procedure.HEARING, "附件3-行政许可-3", JIAOZUO),
    ):
        assert refusal(SessionHeader(procedure=procedure, matter=matter), profile) is None, matter


def test_a_later_header_adds_and_amends_and_says_nothing_of_the_rest() -> None:
    later = SessionHeader(host="吴九", parties=("张三", "丁一"))
    both = merged(FULL, later)
    assert (both.host, both.parties, both.cause) == ("吴九", ("张三", "丁一"), FULL.cause)
    assert [label for label, _ in contents(later)] == [RecordLabel.PARTIES, RecordLabel.HOST]


def test_a_list_is_kept_as_an_array_so_that_no_name_can_be_taken_for_two() -> None:
    strange = SessionHeader(parties=('张"三；李\n四', "王五"))
    ((_, text),) = contents(strange)
    assert json.loads(text) == list(strange.parties)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff", "UTF-8"),
        (b"{", "JSON"),
        (b"colour=red", "第 1 项的名称未知"),
        (b"host=a\nhost=b", "写了两次"),
        (b"just text", "名称=内容"),
        (b'{"host": 3}', "文字"),
        (b'{"parties": "a"}', "列表"),
        (b"procedure=trial", "程序"),
        (b'{"host": "\\ud800"}', "孤立代理项"),
        (b'{"parties": ["a", "\\udfff"]}', "孤立代理项"),
        (b"host=" + b"x" * 20_001, "20000 字"),
        (b"x" * ((1 << 20) + 1), "字节"),
    ],
    ids=[
        "bytes",
        "json",
        "unknown",
        "twice",
        "line",
        "number",
        "list",
        "choice",
        "surrogate",
        "in list",
        "long",
        "file",
    ],
)
def test_what_is_no_header_is_refused_in_one_line(content: bytes, words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(content)
    assert words in refused.value.words_zh
    assert "\n" not in refused.value.words_zh + refused.value.words_en


@pytest.mark.parametrize(
    "blank", ["", "   ", "\u200b\u202e", "\n\t"], ids=["nothing", "spaces", "invisible", "control"]
)
def test_what_shows_nothing_is_blank(blank: str) -> None:
    assert parse(json.dumps({"host": blank, "parties": [blank]}).encode()) == SessionHeader()


@settings(max_examples=300, deadline=None)
@given(content=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode(errors="replace"))))
def test_any_bytes_are_a_header_or_one_clear_line(content: bytes) -> None:
    try:
        parse(content)
    except BadRequest as refused:
        assert "\n" not in refused.words_zh + refused.words_en


_TEXTS = st.text(max_size=40)


@settings(max_examples=200, deadline=None)
@given(
    header=st.builds(
        SessionHeader,
        case_number=_TEXTS,
        parties=st.lists(_TEXTS, max_size=3).map(tuple),
        host=_TEXTS,
        place=_TEXTS,
        secrecy=st.sampled_from(SecrecyClass),
    )
)
def test_what_was_read_once_reads_the_same_again(header: SessionHeader) -> None:
    try:
        read = parse(to_bytes(header))
    except (BadRequest, UnicodeEncodeError):
        return  # a lone surrogate
    assert parse(to_bytes(read)) == read


def test_a_clerk_may_write_names_and_choices_in_chinese() -> None:
    lines = (
        "程序＝听证\n案号=（泽）应急罚〔2026〕1 号\n案由=未按规定报告\n事项=24\n当事人=张三\n相关人员=王五\n"
        "执法人员=李四；赵六\n执法证号=041001；041002\n主持人=孙七\n记录人=周八\n地点=第一听证室\n"
        "密级=商业秘密\n场所防爆情况=非爆炸危险区域\n"
    )
    assert parse(lines.encode()) == FULL
    assert parse("案由=甲＝乙".encode()).cause == "甲＝乙"
    for twice in ("案号=1\ncase_number=2", '{"案号": "1", "case_number": "2"}'):
        with pytest.raises(BadRequest, match="twice"):
            parse(twice.encode())
    with pytest.raises(BadRequest) as refused:
        parse("程序=听讼".encode())
    assert "听证（hearing）" in refused.value.words_zh


def test_all_that_is_blank_is_told_at_once_in_the_order_of_the_page() -> None:
    (line,) = blanks(SessionHeader(case_number="7"), JIAOZUO)
    for words, names in ((line[0], ("parties", "officials", "place")), (line[1], ("parties", "officials", "place"))):
        places = [words.index(f"({name})") if f"({name})" in words else words.index(f"（{name}）") for name in names]
        assert places == sorted(places)
    assert "case_number" not in line[0]
