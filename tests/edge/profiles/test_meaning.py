"""What a profile makes of its rows and articles is made again here, from the documents' own words, and compared.

The cells and articles themselves are compared in `test_official_text`. Here it is the values beside them: obligation,
start and stop, devices, classes, limits, sources, templates, and every closed word a program acts on. What a document's
wording decides is derived from the official text by a rule; what takes a reader's judgement stands in a table, written
from the documents and not from the data.
"""

from __future__ import annotations

import dataclasses
import operator
import re
from collections.abc import Iterator, Mapping

import pytest

from edge.profiles import Profile
from edge.profiles.schema import (
    AccessClass,
    AlwaysOn,
    Begin,
    Cites,
    DeviceKind,
    GapCause,
    GroundKind,
    HeaderField,
    Item,
    Limit,
    ListKind,
    LongTermCode,
    Obligation,
    OutsideVisits,
    Place,
    Procedure,
    RecordClass,
    RecorderAgency,
    Span,
    Template,
    Trigger,
    Unit,
)
from edge.profiles.words import WORDS
from tests.edge.profiles.books import load_named
from tests.edge.profiles.official import NUMERALS, articles, loose, text_of, xinhua_rows

LISTS = ("zezhou", "province", "xinhua")
ARTICLES = {"jiaozuo": 21, "nongan": 29}
BOOKS = (*LISTS, *ARTICLES)


def _numbers(*ranges: range) -> frozenset[str]:
    return frozenset(str(number) for one in ranges for number in one)


def _items(*names: str) -> list[tuple[str, Item]]:
    return [(name, item) for name in names for item in load_named(name).items]


# -- rows of the lists ---------------------------------------------------------------------------------------------


def _start(item: Item) -> str:
    """The start cell, or what stands between 从 and 至 where one cell holds both."""
    return item.start if item.start is not None else (item.start_stop or "").removeprefix("从").partition("至")[0]


def _begin(start: str) -> Begin:
    if start.endswith("前"):
        return Begin.BEFORE
    return Begin.PRESENCE if start.startswith(("进入", "到")) else Begin.AT


def test_when_capture_begins_is_what_the_start_cell_says() -> None:
    wrong = [(name, item.no) for name, item in _items(*LISTS) if item.begin is not _begin(_start(item))]
    assert wrong == []


SHARED = {
    "zezhou": (range(7, 16), range(17, 19), range(24, 32), range(36, 38)),
    "province": (range(11, 13),),
    "xinhua": (),
}
"""Neighbouring rows of one proceeding that print the same start and stop."""
PER_STEP = {"zezhou": (), "province": (range(1, 11), range(18, 25)), "xinhua": ()}
"""Neighbouring rows of one proceeding, each with a start and stop of its own."""


@pytest.mark.parametrize("name", LISTS)
def test_what_one_start_and_one_stop_belong_to(name: str) -> None:
    profile = load_named(name)
    shared, steps = _numbers(*SHARED[name]), _numbers(*PER_STEP[name])
    for item in profile.items:
        wanted = Span.SHARED if item.no in shared else Span.PER_STEP if item.no in steps else Span.WHOLE
        assert item.span is wanted, item.no
    for group in SHARED[name]:
        cells = {(one.start, one.stop) for one in profile.items if int(one.no) in group}
        assert len(cells) == 1, group
    for group in PER_STEP[name]:
        cells = {(one.start, one.stop) for one in profile.items if int(one.no) in group}
        assert len(cells) == len(group), group


def test_a_row_is_an_obligation_unless_its_remark_says_as_the_case_requires() -> None:
    for name, item in _items(*LISTS):
        weighed = "视情进行音像记录" in (item.remark or "")
        assert item.obligation is (Obligation.AS_THE_CASE_REQUIRES if weighed else Obligation.MUST), (name, item.no)
    assert sum(item.obligation is Obligation.AS_THE_CASE_REQUIRES for _, item in _items("province")) == 11


DEVICES: Mapping[str, DeviceKind] = {
    "视频监控": DeviceKind.FIXED,
    "视频监控设备": DeviceKind.FIXED,
    "便携设备": DeviceKind.PORTABLE,
    "执法记录仪": DeviceKind.PORTABLE,
    "手持执法终端": DeviceKind.PORTABLE,
    "摄像机": DeviceKind.PORTABLE,
    "照相机": DeviceKind.STILL,
    "录音机": DeviceKind.SOUND,
}
USED = {
    "zezhou": {"视频监控": 14, "便携设备": 38},
    "province": {},
    "xinhua": {"执法记录仪": 21, "照相机": 12, "视频监控设备": 7},
}
"""In how many rows each word stands, counted in the documents."""


@pytest.mark.parametrize("name", LISTS)
def test_the_devices_of_a_row_are_the_words_of_its_cell(name: str) -> None:
    profile = load_named(name)
    for item in profile.items:
        cell = (item.device_text or "").replace("视频监控便携设备", "视频监控、便携设备")
        assert item.devices == tuple(filter(None, cell.split("、"))), item.no
    words = [word for item in profile.items for word in item.devices]
    assert {word: words.count(word) for word in words} == USED[name]
    assert {one.word for one in profile.devices} == set(USED[name])


@pytest.mark.parametrize("name", ["zezhou", "xinhua", "jiaozuo", "nongan"])
def test_what_kind_of_device_a_word_stands_for(name: str) -> None:
    devices = load_named(name).devices
    assert {one.word: one.kind for one in devices} == {one.word: DEVICES[one.word] for one in devices}


def test_the_devices_of_an_article_are_those_it_lists_in_its_order() -> None:
    for name, last in ARTICLES.items():
        third = "".join(articles(name, last)[3].split())
        listed = re.findall(r"照相机、[^等]*?(?=等|记录设备)", third)[0].split("、")
        assert [one.word for one in load_named(name).devices] == [word for word in listed if word]


CLASSES = {
    "场景类": RecordClass.SCENE,
    "确认类": RecordClass.CONFIRMATION,
    "入户类": RecordClass.HOUSEHOLD,
    "约谈类": RecordClass.TALK,
}


def test_the_classes_of_a_row_are_the_words_of_its_cell_and_the_legend_is_the_documents() -> None:
    for name, item in _items(*LISTS):
        words = (item.class_text or "").split("、") if item.class_text else []
        assert item.classes == tuple(CLASSES[word] for word in words), (name, item.no)
    used = [one for _, item in _items("province") for one in item.classes]
    assert {one: used.count(one) for one in used} == {
        RecordClass.SCENE: 30,
        RecordClass.CONFIRMATION: 11,
        RecordClass.HOUSEHOLD: 1,
    }
    for name in BOOKS:
        legend = re.search(r"记录类别：(.*?)等", text_of(name))
        words = legend[1].split("、") if legend is not None else []
        assert load_named(name).class_legend == tuple(CLASSES[word] for word in words)


TRIGGERS = {
    "告知后": (Trigger.NOTICE_SERVED, "内"),
    "到期后": (Trigger.RECTIFICATION_DUE, "内"),
    "听证": (Trigger.HEARING_HELD, "前"),
}


def _limit(cell: str | None) -> Limit | None:
    """So many days after or before an event; 适时 and 送达时 are no terms."""
    found = re.fullmatch(r"(\D+?)(\d+)日([内前])", "".join((cell or "").split()))
    if found is None:
        assert cell in (None, "适时", "送达时"), cell
        return None
    trigger, side = TRIGGERS[found[1]]
    assert found[3] == side
    words = found[0]
    return Limit(amount=int(found[2]), unit=Unit.DAYS, trigger=trigger, words=words, before=side == "前")


def test_the_limit_of_a_row_is_what_its_cell_says() -> None:
    found = {(name, item.no): item.limit for name, item in _items(*LISTS)}
    assert found == {(name, item.no): _limit(item.time_limit) for name, item in _items(*LISTS)}
    assert {key for key, limit in found.items() if limit is not None} == {
        ("zezhou", "16"),
        ("zezhou", "21"),
        ("zezhou", "23"),
        ("province", "15"),
        ("province", "17"),
    }


def test_a_row_is_recorded_by_another_agency_where_its_cell_says_so_and_its_source_is_its_number() -> None:
    for name, item in _items(*LISTS):
        entrusted = (item.recorder or "").startswith("受委托")
        assert item.recorder_agency is (RecorderAgency.ENTRUSTED if entrusted else RecorderAgency.OWN), (name, item.no)
        assert item.source == f"第{item.no}行"
        assert item.list_kind is ListKind.AUDIO_VIDEO


def test_why_a_row_is_for_a_fixed_room_or_not_is_said_in_the_words_of_its_cells() -> None:
    for name, item in _items(*LISTS):
        cells = "|".join(filter(None, (item.place, item.device_text)))
        quoted = re.findall("“(.+?)”", item.fixed_room_reason)
        assert all(words in cells for words in quoted), (name, item.no, item.fixed_room_reason)


PORTABLE_IN_THE_ROOM = {"zezhou": {"4"}, "xinhua": set[str]()}
"""Held in the hearing room, and only portable devices are listed: a supplement (Zezhou row 4)."""


@pytest.mark.parametrize("name", ["zezhou", "xinhua"])
def test_a_row_with_a_mounted_device_in_its_column_is_for_a_fixed_room(name: str) -> None:
    profile = load_named(name)
    mounted = {item.no for item in profile.items if DeviceKind.FIXED in profile.device_kinds(item)}
    assert mounted == {item.no for item in profile.items if item.fixed_room} - PORTABLE_IN_THE_ROOM[name]


# -- sources -------------------------------------------------------------------------------------------------------

ARTICLE = re.compile(rf"第([{NUMERALS}]+)条(.*)")
PART = re.compile(rf"第([{NUMERALS}])款|(末)款|（([{NUMERALS}])）|第(\d)项")
ITEM_OF_AN_ARTICLE = re.compile(r"[（(]?.{1,2}[)）]|\d+\. ")


def _value(numeral: str) -> int:
    tens, mark, ones = numeral.rpartition("十")
    return (NUMERALS.index(tens) + 1 if tens else 1 if mark else 0) * 10 + (NUMERALS.index(ones) + 1 if ones else 0)


def _cited(profile: Profile, source: str) -> str:
    """The words that a source such as 第十条（二）（三）, 第十三条第二款 or 第七条末款 stands for."""
    found = ARTICLE.fullmatch(source)
    assert found is not None, source
    (article,) = [one for one in profile.articles if one.number == _value(found[1])]
    lines = article.paragraphs
    rest = re.sub(r"（[^一二三四五六七八九十）][^）]*）", "", found[2])
    parts = list(PART.finditer(rest))
    assert "".join(part[0] for part in parts) == rest, source
    paragraphs = [line for line in lines if not ITEM_OF_AN_ARTICLE.match(line)]
    whole = ""
    for part in parts:
        if part[1]:
            whole += paragraphs[_value(part[1]) - 1]
        elif part[2]:
            whole += paragraphs[-1]
        elif part[3]:
            at = next(n for n, line in enumerate(lines) if loose(line).startswith(f"（{part[3]}）"))
            inner = next((n for n in range(at + 1, len(lines)) if not re.match(r"\d", lines[n])), len(lines))
            whole += "".join(lines[at:inner])
        else:
            whole = whole.partition(f"{part[4]}. ")[2].partition("；")[0]
    return whole if parts else "".join(lines)


def _said_and_cited(profile: Profile) -> Iterator[tuple[str, str]]:
    """Each quotation of a profile made of articles, with its source."""
    for group in (profile.prohibitions, profile.long_term, profile.key_moments, profile.identity):
        yield from ((one.text, one.source) for one in group)
    yield from (
        (one.words.removeprefix("设备") if "损坏" in one.words else one.words, one.source)
        for one in profile.interruptions
    )
    yield from ((one.word, one.source) for one in profile.devices)
    for asked in profile.access:
        yield asked.approver, asked.source
        yield WORDS[asked.action], asked.source
        yield asked.exception, asked.source
    yield from _said_once(profile)


def _said_once(profile: Profile) -> Iterator[tuple[str, str]]:
    store, archive = profile.store, profile.archive
    extension = None if store is None else store.extension
    for said, words in (
        (profile.notice, ("text",)),
        (profile.both_sides, ("words",)),
        (store, ("destination", "limit.words")),
        (extension, ("limit.words",)),
        (archive, ("limit.words",)),
        (profile.retention, ("words",)),
        (profile.custodian, ("role", "duties")),
        (profile.release, ("approver",)),
    ):
        if said is not None:
            yield from ((operator.attrgetter(name)(said), said.source) for name in words)
    for sheet in filter(None, (profile.evidence_sheet, profile.disc_label)):
        yield from ((field, sheet.source) for field in sheet.fields)
    yield from ((words, one.source) for one, words in _said_by_meaning(profile) if one is not None)


def _said_by_meaning(profile: Profile) -> Iterator[tuple[AlwaysOn | Place | None, str]]:
    """What a profile has as a yes, in the words that say so."""
    yield profile.always_on, "执法办案场所，应当进行全程音像记录"
    yield profile.place, "应当记录该场所地点的明显标志"
    yield profile.place, "没有明显标志的，应当记录周围标志性建筑，并口述所到场所的名称"


@pytest.mark.parametrize("name", ARTICLES)
def test_each_quotation_stands_in_the_very_article_and_item_it_names(name: str) -> None:
    profile = load_named(name)
    wrong = [
        (words, source)
        for words, source in _said_and_cited(profile)
        if loose(words) not in loose(_cited(profile, source))
    ]
    assert wrong == []


@pytest.mark.parametrize("name", ARTICLES)
def test_an_item_made_of_an_article_is_the_words_of_that_part(name: str) -> None:
    profile = load_named(name)
    for item in profile.items:
        if item.list_kind is ListKind.ARTICLE:
            assert loose(item.process or "") in loose(_cited(profile, item.source)), item.no
            assert item.no.partition("-")[0] == item.source


def test_the_rows_of_an_annex_name_their_place_in_it() -> None:
    for item in load_named("jiaozuo").items:
        if item.list_kind is not ListKind.ARTICLE:
            annex, category, number = item.no.split("-")
            assert item.source == f"{annex}{category}第{number}项"
            assert item.list_kind is (ListKind.TEXT if annex == "附件2" else ListKind.AUDIO_VIDEO)


def test_what_the_annexes_and_articles_ask_for() -> None:
    """Art. 7 says 应当 of every item; Art. 5 of every paper; Nong'an says 必要时 twice."""
    for item in load_named("jiaozuo").items:
        assert item.obligation is Obligation.MUST
        premises = item.no == "第七条末款-执法办案场所"
        sounds = item.list_kind is not ListKind.TEXT
        assert item.begin is (None if not sounds else Begin.PRESENCE if premises else Begin.AT), item.no
        assert item.span is (Span.WHOLE if sounds else None), item.no
    for item in load_named("nongan").items:
        necessary = "必要时" in (item.process or "")
        assert item.obligation is (Obligation.IF_NECESSARY if necessary else Obligation.MUST), item.no
        assert (item.begin, item.span) == (Begin.AT, Span.WHOLE)


LIST_SOURCES = {
    "zezhou": {"第1行备注（一）", "第1行备注（二）", "第1行备注（三）", "第9行", "表头“执法记录方式”"},
    "province": {"第3行"},
    "xinhua": {"表头“记录载体”"},
}


@pytest.mark.parametrize("name", LISTS)
def test_each_quotation_of_a_list_stands_in_the_row_it_names(name: str) -> None:
    profile = load_named(name)
    found = set()
    for words, source in _said_and_cited(profile):
        found.add(source)
        if (heading := re.fullmatch("表头“(.+)”", source)) is not None:
            assert heading[1] in [column.heading for column in profile.columns]
            continue
        row = re.fullmatch(r"第(\d+)行(?:备注（(.)）)?", source)
        assert row is not None, source
        item = profile.item(row[1])
        assert item is not None
        text = (item.remark or "").partition(f"（{row[2]}）")[2].partition("（")[0] if row[2] else item.process or ""
        assert loose(words) in loose(text), (words, source)
    assert found == LIST_SOURCES[name]


# -- procedures ----------------------------------------------------------------------------------------------------

ROWS: Mapping[tuple[str, Procedure], frozenset[str]] = {
    ("zezhou", Procedure.HEARING): _numbers(range(24, 32)),
    ("zezhou", Procedure.LICENCE_HEARING): frozenset({"4"}),
    ("zezhou", Procedure.WINDOW): frozenset({"1"}),
    ("zezhou", Procedure.INTERVIEW): frozenset({"22"}),
    ("zezhou", Procedure.STATEMENT): frozenset({"3", "21"}),
    ("zezhou", Procedure.SERVICE): frozenset({"5", "6", "23", "32", "33", "34"}),
    ("province", Procedure.HEARING): _numbers(range(18, 26)),
    ("province", Procedure.INTERVIEW): frozenset({"16"}),
    ("province", Procedure.STATEMENT): frozenset({"15"}),
    ("province", Procedure.SERVICE): frozenset({"17", "26", "27"}),
    ("xinhua", Procedure.HEARING): frozenset({"15"}),
    ("xinhua", Procedure.LICENCE_HEARING): frozenset({"7"}),
    ("xinhua", Procedure.WINDOW): frozenset({"4"}),
    ("xinhua", Procedure.INTERVIEW): frozenset({"9"}),
    ("xinhua", Procedure.STATEMENT): frozenset({"6", "14", "17"}),
    ("xinhua", Procedure.SERVICE): frozenset({"8", "16"}),
}


def _row_numbers(source: str) -> frozenset[str]:
    """`第5行、第32行至第34行` as numbers."""
    ranges = [re.findall(r"第(\d+)行", part) for part in source.split("、")]
    return _numbers(*(range(int(one[0]), int(one[-1]) + 1) for one in ranges))


def _template(name: str, procedure: Procedure) -> Template:
    template = load_named(name).template(procedure)
    assert template is not None, (name, procedure)
    return template


@pytest.mark.parametrize("name", LISTS)
def test_a_procedure_of_a_list_is_what_its_rows_say(name: str) -> None:
    """Rows, source, place, who records, when capture begins and how strongly: each from the rows' own cells."""
    profile = load_named(name)
    assert {(name, one.procedure) for one in profile.templates} == {key for key in ROWS if key[0] == name}
    for template in profile.templates:
        rows = ROWS[name, template.procedure]
        assert template.rows() == _row_numbers(template.source) == rows
        items = [item for item in profile.items if item.no in rows]
        assert template.place in {item.place for item in items} | {"办公场所"}, template.procedure
        assert template.recorder in {item.recorder for item in items}
        assert template.begin is items[-1].begin if template.procedure is not Procedure.SERVICE else True
        assert template.obligation is items[0].obligation
        assert template.recorder_agency is RecorderAgency.OWN


def test_the_place_of_a_statement_in_the_province_is_the_one_of_its_two_that_is_a_room() -> None:
    row = load_named("province").item("15")
    assert row is not None
    assert row.place == "办公场所检查场所"
    assert _template("province", Procedure.STATEMENT).place == "办公场所"


BEGINS = {
    "zezhou": dict.fromkeys(Procedure, Begin.BEFORE),
    "province": dict.fromkeys(Procedure, Begin.AT),
    "xinhua": {
        Procedure.HEARING: Begin.AT,
        Procedure.LICENCE_HEARING: Begin.AT,
        Procedure.WINDOW: Begin.AT,
        Procedure.INTERVIEW: Begin.AT,
        Procedure.STATEMENT: Begin.PRESENCE,
        Procedure.SERVICE: Begin.PRESENCE,
    },
    "jiaozuo": {
        **dict.fromkeys(Procedure, Begin.PRESENCE),
        Procedure.HEARING: Begin.AT,
        Procedure.LICENCE_HEARING: Begin.AT,
    },
    "nongan": dict.fromkeys(Procedure, Begin.AT),
}
SPANS = {("zezhou", Procedure.HEARING): Span.SHARED, ("province", Procedure.HEARING): Span.PER_STEP}


@pytest.mark.parametrize("name", BOOKS)
def test_when_a_procedure_is_captured_and_what_one_start_and_stop_hold(name: str) -> None:
    for template in load_named(name).templates:
        assert template.begin is BEGINS[name][template.procedure], template.procedure
        assert template.span is SPANS.get((name, template.procedure), Span.WHOLE), template.procedure


def test_the_procedures_of_jiaozuo_are_those_of_article_7() -> None:
    """A hearing by its items, everything else that is done on the premises by the last paragraph."""
    premises, text = "第七条末款-执法办案场所", loose(text_of("jiaozuo"))
    for procedure, source, row in (
        (Procedure.HEARING, "第七条（二）第1项", "附件3-监督检查-1"),
        (Procedure.LICENCE_HEARING, "第七条（一）第1项", "附件3-行政许可-1"),
    ):
        template = _template("jiaozuo", procedure)
        assert (template.source, template.rows(), template.place) == (source, frozenset({row, premises}), "")
        assert "举行听证会时" in _cited(load_named("jiaozuo"), source)
    for procedure in (Procedure.WINDOW, Procedure.INTERVIEW, Procedure.STATEMENT, Procedure.SERVICE):
        template = _template("jiaozuo", procedure)
        assert (template.source, template.rows(), template.place) == (
            "第七条末款",
            frozenset({premises}),
            "执法办案场所",
        )
    for template in load_named("jiaozuo").templates:
        assert (template.obligation, template.recorder) == (Obligation.MUST, "执法人员")
        assert f"{template.recorder}使用执法记录仪" in text


def test_the_procedures_of_nongan_are_a_hearing_if_necessary_and_service_left_or_posted() -> None:
    nongan = load_named("nongan")
    assert {one.procedure for one in nongan.templates} == {
        Procedure.HEARING,
        Procedure.LICENCE_HEARING,
        Procedure.SERVICE,
    }
    for procedure in (Procedure.HEARING, Procedure.LICENCE_HEARING):
        template = _template("nongan", procedure)
        assert (template.obligation, template.rows()) == (Obligation.IF_NECESSARY, frozenset({"第十四条"}))
        assert template.source == "第十四条、第二十五条"
    service = _template("nongan", Procedure.SERVICE)
    assert (service.obligation, service.rows()) == (Obligation.MUST, frozenset({"第十九条第二款", "第二十一条第二款"}))
    assert service.source == "第十九条第二款、第二十一条第二款"
    assert {one.recorder for one in nongan.templates} == {"记录人员"}
    assert "记录人员应当在" in loose(text_of("nongan"))


STEPS: Mapping[Procedure, tuple[tuple[str, str], ...]] = {
    Procedure.HEARING: (
        ("discipline", "宣布听证会场纪律、当事人的权利和义务"),
        ("statement-of-case", "案件调查人员说明拟作出行政处罚的内容及法律依据"),
        ("defence", "当事人或者其委托代理人进行陈述、申辩和质证"),
        ("questions", "听证主持人向当事人、案件调查人员、证人询问"),
        ("debate", "双方相互辩论"),
        ("last-words", "最后陈述"),
        ("closing", "宣布听证结束"),
        ("transcript", "当事人确认《听证笔录》"),
    ),
    Procedure.LICENCE_HEARING: (
        ("discipline", "宣布听证会场纪律、当事人的权利和义务"),
        ("statement-of-review", "审查人员提出审查意见的证据、理由"),
        ("defence", "申请人、利害关系人陈述、申辩和质证"),
        ("last-words", "最后陈述"),
        ("closing", "宣布听证结束"),
        ("transcript", "听证参加人确认《听证笔录》"),
    ),
    Procedure.WINDOW: (
        ("application", "申请"),
        ("receipt", "接受"),
        ("correction", "当场更正"),
        ("supplement", "一次性告知补正"),
        ("review", "审查受理"),
    ),
    Procedure.INTERVIEW: (
        ("certificates", "出示证件"),
        ("rights", "权利义务告知"),
        ("questioning", "询问"),
        ("record", "制作笔录"),
        ("signature", "签字确认"),
    ),
    Procedure.STATEMENT: (
        ("certificates", "出示证件"),
        ("statement", "陈述申辩"),
        ("record", "制作笔录"),
        ("signature", "签字确认"),
    ),
    Procedure.SERVICE: (
        ("certificates", "出示证件"),
        ("reading", "宣读执法文书"),
        ("handing-over", "交付文书"),
        ("receipt", "送达回执签字"),
    ),
}
OWN_STEPS = {
    ("zezhou", Procedure.LICENCE_HEARING): (
        *STEPS[Procedure.HEARING][:-1],
        ("transcript", "听证参加人确认《听证笔录》"),
    ),
    ("xinhua", Procedure.HEARING): (*STEPS[Procedure.HEARING][:-1], ("transcript", "听证参加人签字确认")),
    ("xinhua", Procedure.LICENCE_HEARING): (
        *STEPS[Procedure.LICENCE_HEARING][:-1],
        ("transcript", "听证参加人签字确认"),
    ),
    ("xinhua", Procedure.WINDOW): (
        *STEPS[Procedure.WINDOW][:3],
        ("supplement", "告知补正"),
        STEPS[Procedure.WINDOW][4],
    ),
    ("neutral", Procedure.STATEMENT): (
        STEPS[Procedure.STATEMENT][0],
        ("rights", "权利义务告知"),
        *STEPS[Procedure.STATEMENT][1:],
    ),
}
"""Zezhou row 4 has a penalty's steps for a licence too; Xinhua rows 4, 7 and 15 have words of their own."""
LAST_STEP = {
    Procedure.HEARING: "transcript",
    Procedure.LICENCE_HEARING: "transcript",
    Procedure.WINDOW: "",
    Procedure.INTERVIEW: "signature",
    Procedure.STATEMENT: "signature",
    Procedure.SERVICE: "receipt",
}


@pytest.mark.parametrize("name", [*BOOKS, "neutral"])
def test_the_steps_of_each_procedure_in_their_order(name: str) -> None:
    for template in load_named(name).templates:
        procedure = template.procedure
        steps = OWN_STEPS.get((name, procedure), STEPS[procedure])
        assert tuple((step.id, step.title) for step in template.steps) == steps, procedure
        assert template.ask_reason_before == LAST_STEP[procedure]
        optional = {step.id for step in template.steps if not step.required}
        shown = (
            {"certificates"} if procedure in (Procedure.STATEMENT, Procedure.SERVICE) and name != "neutral" else set()
        )
        assert optional == ({"correction", "supplement"} if procedure is Procedure.WINDOW else shown)
        assert template.least_officials == (1 if procedure is Procedure.WINDOW else 2)
        hearing = procedure in (Procedure.HEARING, Procedure.LICENCE_HEARING)
        also = {HeaderField.HOST} if hearing else set()
        if (name, procedure) == ("xinhua", Procedure.INTERVIEW):
            also = {HeaderField.CERTIFICATES}
        assert set(template.header_also) == also


def test_a_step_shows_its_own_row_where_the_list_has_a_row_for_each() -> None:
    for name, first in (("zezhou", 24), ("province", 18)):
        steps = _template(name, Procedure.HEARING).steps
        assert [step.covers for step in steps] == [(str(first + n),) for n in range(8)]
        assert _template(name, Procedure.HEARING).covers == ()
    others = [one for name in BOOKS for one in load_named(name).templates if (name, one.procedure) not in SPANS]
    assert all(step.covers == () for template in others for step in template.steps)


def test_the_steps_of_a_licence_hearing_in_zezhou_are_all_said_by_row_4_but_the_transcript() -> None:
    row = load_named("zezhou").item("4")
    assert row is not None
    for step in _template("zezhou", Procedure.LICENCE_HEARING).steps[:-1]:
        assert step.title in (row.process or "")


def test_the_steps_of_a_window_and_an_interview_in_xinhua_are_its_rows_words() -> None:
    rows = xinhua_rows()
    for no, titles in (
        ("4", ("接受", "当场更正", "告知补正", "审查受理")),
        ("9", ("出示证件", "权利义务告知", "制作笔录", "签字确认")),
    ):
        assert all(title in rows[no][7] for title in titles)
    assert "听证参加人签字确认" in rows["7"][7]
    assert "听证参加人签字确认" in rows["15"][7]


def test_the_window_is_recorded_from_before_it_begins_or_from_the_papers_until_the_place_is_left() -> None:
    zezhou, xinhua = load_named("zezhou").item("1"), load_named("xinhua").item("4")
    assert zezhou is not None
    assert xinhua is not None
    assert (zezhou.start, zezhou.stop, zezhou.begin) == ("受理开始前", "受理结束后", Begin.BEFORE)
    assert (xinhua.start_stop, xinhua.begin) == ("从接受受理材料至离开受理现场", Begin.AT)
    assert load_named("province").template(Procedure.WINDOW) is None


def test_which_department_holds_a_hearing() -> None:
    zezhou = {item.no: item.department for item in load_named("zezhou").items}
    assert [zezhou[str(n)] for n in range(24, 32)] == ["政策法规股", *["案件审核小组"] * 7]
    province = {item.no: item.department for item in load_named("province").items}
    assert {province[str(n)] for n in range(18, 26)} == {"有关处室和省安全生产监督执法总队、省煤炭安全执法总队"}
    assert {item.department for item in load_named("xinhua").items} == {None}


# -- the rest of a profile -----------------------------------------------------------------------------------------

F = HeaderField
HEADERS: Mapping[str, tuple[frozenset[HeaderField], str]] = {
    "zezhou": (
        frozenset({F.MATTER, F.PARTIES, F.OFFICIALS, F.CERTIFICATES, F.RECORDER, F.PLACE}),
        "第8行、第9行，表头“记录人”“记录场合”“执法项目”",
    ),
    "province": (
        frozenset({F.MATTER, F.PARTIES, F.OFFICIALS, F.CERTIFICATES, F.RECORDER, F.PLACE}),
        "第2行、第3行，表头“记录人”“记录场合”“执法事项”",
    ),
    "xinhua": (
        frozenset({F.MATTER, F.PARTIES, F.OFFICIALS, F.RECORDER, F.PLACE}),
        "第7行、第15行（时间、地点、人员等基本情况），表头“记录人”“记录场所”",
    ),
    "jiaozuo": (
        frozenset({F.MATTER, F.PARTIES, F.RELATED_PERSONS, F.OFFICIALS, F.CERTIFICATES, F.PLACE}),
        "第十条（二）（三）",
    ),
    "nongan": (frozenset({F.PARTIES, F.OFFICIALS, F.PLACE}), "第十四条（参加人员情况及听证的时间、地点）"),
    "neutral": (frozenset({F.CASE_NUMBER, F.CAUSE, F.PARTIES, F.OFFICIALS, F.RECORDER, F.PLACE}), "本规则"),
}
WAIVED = {
    "zezhou": {F.PARTIES, F.CERTIFICATES},
    "xinhua": {F.PARTIES},
    "jiaozuo": {F.PARTIES, F.RELATED_PERSONS, F.CERTIFICATES},
    "neutral": {F.CASE_NUMBER, F.CAUSE, F.PARTIES},
}


@pytest.mark.parametrize("name", HEADERS)
def test_which_fields_of_the_header_must_be_filled_and_on_what_ground(name: str) -> None:
    profile = load_named(name)
    required, source = HEADERS[name]
    assert (frozenset(profile.header.required), profile.header.source) == (required, source)
    assert len(profile.header.required) == len(required)
    assert profile.header.least_officials == 2
    for template in profile.templates:
        waived = WAIVED[name] if template.procedure is Procedure.WINDOW else set()
        assert set(template.header_waived) == waived
    if name in LISTS:
        headings = [column.heading for column in profile.columns]
        assert all(quoted in headings for quoted in re.findall("“(.+?)”", source))


def test_article_10_3_names_the_fields_of_jiaozuos_header() -> None:
    said = _cited(load_named("jiaozuo"), "第十条（三）")
    for field in (F.PLACE, F.MATTER, F.PARTIES, F.RELATED_PERSONS, F.OFFICIALS):
        assert WORDS[field] in said
    assert "必须出示执法证" in _cited(load_named("jiaozuo"), "第十条（二）")


SECRETS = ("军事秘密", "商业秘密", "技术秘密", "个人隐私")
PROHIBITIONS = {
    "zezhou": [
        (GroundKind.EXPLOSION_ZONE, (), Cites.NOTHING),
        (GroundKind.WITHOUT_CONSENT, SECRETS, Cites.NOTHING),
        (GroundKind.UNSUITABLE, ("其他不适宜音像记录的情景",), Cites.REASON),
    ],
    "jiaozuo": [
        (GroundKind.EXPLOSION_ZONE, (), Cites.NOTHING),
        (GroundKind.WITHOUT_CONSENT, SECRETS, Cites.NOTHING),
        (GroundKind.BY_LAW, ("法律法规规定",), Cites.LAW),
    ],
    "nongan": [(GroundKind.UNSUITABLE, ("不得或者不宜采用音像记录",), Cites.REASON)],
    "province": [],
    "xinhua": [],
}


@pytest.mark.parametrize("name", BOOKS)
def test_what_is_not_to_be_recorded_of_what_kind_and_what_is_cited(name: str) -> None:
    assert [(one.kind, one.grounds, one.cites) for one in load_named(name).prohibitions] == PROHIBITIONS[name]


def test_what_article_11_says_of_interruptions_and_article_17_of_keeping_for_good() -> None:
    jiaozuo = load_named("jiaozuo")
    assert [(one.words, one.cause) for one in jiaozuo.interruptions] == [
        ("设备故障", GapCause.DEVICE_FAULT),
        ("设备损坏", GapCause.DEVICE_DAMAGE),
        ("电量不足", GapCause.POWER_LOW),
        ("存储空间不足", GapCause.STORAGE_FULL),
        ("天气情况恶劣", GapCause.WEATHER),
        ("现场有关人员阻挠", GapCause.OBSTRUCTED),
    ]
    words = {
        LongTermCode.COERCIVE_MEASURE: "强制措施",
        LongTermCode.OBJECTION_OR_COMPLAINT: "异议，或者投诉、上访",
        LongTermCode.RESISTANCE: "拒绝、阻碍",
        LongTermCode.MASS_INCIDENT: "群体性事件",
        LongTermCode.OTHER: "其他",
    }
    assert [one.code for one in jiaozuo.long_term] == list(words)
    assert all(words[one.code] in one.text for one in jiaozuo.long_term)
    for name in ("zezhou", "province", "xinhua", "nongan"):
        assert (load_named(name).interruptions, load_named(name).long_term) == ((), ())


def _whole_items(name: str, last: int, number: int) -> list[str]:
    """The numbered items of an article, out of the official text."""
    found = re.findall(
        r"[（(][一二三四五六七八九十][)）](.*?)(?=[（(][一二三四五六七八九十][)）]|[；。])",
        loose(articles(name, last)[number]),
    )
    return [one.rstrip("；。") for one in found]


def test_key_moments_and_triggers_are_the_whole_items_of_their_articles() -> None:
    jiaozuo, nongan = load_named("jiaozuo"), load_named("nongan")
    assert [loose(one.text) for one in jiaozuo.key_moments] == _whole_items("jiaozuo", 21, 9)
    assert [loose(one.text) for one in jiaozuo.long_term] == _whole_items("jiaozuo", 21, 17)
    assert [loose(one.text) for one in jiaozuo.prohibitions] == _whole_items("jiaozuo", 21, 8)
    assert [loose(one.text) for one in nongan.key_moments] == _whole_items("nongan", 29, 11)
    assert [load_named(name).key_moments for name in LISTS] == [()] * 3


def test_terms_of_storing_and_archiving_by_amount_unit_and_event() -> None:
    jiaozuo, nongan = load_named("jiaozuo"), load_named("nongan")
    assert jiaozuo.store is not None
    assert jiaozuo.store.extension is not None
    assert jiaozuo.archive is not None
    assert nongan.store is not None
    assert nongan.archive is not None
    found = [
        (one.amount, one.unit, one.trigger, one.before)
        for one in (
            jiaozuo.store.limit,
            jiaozuo.store.extension.limit,
            jiaozuo.archive.limit,
            nongan.store.limit,
            nongan.archive.limit,
        )
    ]
    assert found == [
        (24, Unit.HOURS, Trigger.RECORDING_MADE, False),
        (24, Unit.HOURS, Trigger.BACK_AT_OFFICE, False),
        (30, Unit.WORKING_DAYS, Trigger.ENFORCEMENT_ENDED, False),
        (2, Unit.WORKING_DAYS, Trigger.NOT_NAMED, False),
        (30, Unit.DAYS, Trigger.EXECUTION_ENDED, False),
    ]
    assert nongan.store.extension is None
    assert (jiaozuo.store.self_keeping, nongan.store.self_keeping) == (False, False)
    assert "从其规定" in _cited(nongan, nongan.archive.source)
    assert [load_named(name).archive for name in LISTS] == [None] * 3


def test_what_only_jiaozuo_asks_of_the_room_and_the_notice() -> None:
    jiaozuo = load_named("jiaozuo")
    assert jiaozuo.place is not None
    assert jiaozuo.notice is not None
    assert (jiaozuo.place.plate_required, jiaozuo.place.spoken_otherwise) == (True, True)
    assert (jiaozuo.notice.within_seconds, jiaozuo.notice.late_joiners, jiaozuo.notice.each_visit) == (60, True, True)
    for name in ("zezhou", "province", "xinhua", "nongan"):
        profile = load_named(name)
        assert (profile.place, profile.notice, profile.both_sides, profile.always_on) == (None,) * 4
        assert (profile.retention, profile.release, profile.disc_label) == (None,) * 3
    assert [load_named(name).custodian for name in LISTS] == [None] * 3


def test_the_fields_of_a_paper_are_all_that_the_article_lists() -> None:
    jiaozuo, nongan = load_named("jiaozuo"), load_named("nongan")
    for profile, sheet, words in (
        (jiaozuo, jiaozuo.evidence_sheet, "注明{}等信息"),
        (jiaozuo, jiaozuo.disc_label, "注明{}等随执法案卷"),
        (nongan, nongan.evidence_sheet, "应当同时记录{}等内容"),
    ):
        assert sheet is not None
        said = loose(_cited(profile, sheet.source))
        listed = ("、".join(sheet.fields), "和".join(("、".join(sheet.fields[:-1]), sheet.fields[-1])))
        assert any(words.format(one) in said for one in listed)
    assert nongan.evidence_sheet is not None
    assert nongan.evidence_sheet.transcript == ("附有该声音内容的文字记录" in text_of("nongan").replace("\n", ""))


def test_what_no_document_says_of_the_hours_between_visits_is_closed_and_a_month() -> None:
    for name in (*BOOKS, "neutral"):
        source = "本规则" if name == "neutral" else "文件未作规定，由本单位核定"
        assert load_named(name).outside_visits == OutsideVisits(access=AccessClass.CLOSED, keep_days=30, source=source)


ORIGINS = {
    "zezhou": ("泽州县应急管理局行政执法音像记录事项清单", "泽州县应急管理局", "", "", ""),
    "province": ("行政执法音像记录事项清单", "省级部门（文中未写明省份）", "", "", ""),
    "xinhua": ("音像记录事项清单", "平顶山市新华区城市管理局", "", "", ""),
    "jiaozuo": (
        "焦作市应急管理局行政执法全过程记录制度",
        "焦作市应急管理局",
        "焦应急〔2021〕35号",
        "2021",
        "自印发之日起施行",
    ),
    "nongan": (
        "农安县应急管理局行政执法全过程记录制度（试行）",
        "农安县应急管理局",
        "",
        "2020-05-11",
        "自印发之日起施行",
    ),
}


@pytest.mark.parametrize("name", BOOKS)
def test_which_document_it_is_who_issued_it_and_since_when(name: str) -> None:
    """Zezhou, the province and Xinhua print no date; Jiaozuo the year of its number alone."""
    profile, official = load_named(name), loose(text_of(name))
    origin = profile.origin
    found = (origin.document, origin.issuer, origin.number, origin.effective_from, origin.effective_words)
    assert found == ORIGINS[name]
    assert (origin.superseded_by, origin.text) == ("", f"{name}.txt")
    quoted = [origin.document, origin.number, origin.effective_words, *([origin.issuer] if name != "province" else [])]
    assert all(loose(one) in official for one in quoted)
    if len(origin.effective_from) > len("2021"):
        year, month, day = map(int, origin.effective_from.split("-"))
        assert f"{year}年{month}月{day}日" in official


def test_no_note_speaks_of_what_is_not_there() -> None:
    """Notes are read beside the cells by people who have this file alone."""
    for name in BOOKS:
        for item in load_named(name).items:
            assert not [note for note in item.notes if re.search(r"_|TODO|应作为", note)], (name, item.no)


def test_the_articles_that_ask_for_sound_and_picture_by_themselves_are_all_items() -> None:
    """Nong'an's articles that say 音像 of an act, for it has no list; the two of Jiaozuo's Art. 7, last paragraph."""
    official = {number for number, text in articles("nongan", 29).items() if "音像" in text}
    of_no_act = {3, 4, 5, 11, 25}  # definition, places, equipment, key moments, storing
    assert official - of_no_act == {10, 14, 19, 21, 22, 23}
    items = [item.no for item in load_named("nongan").items]
    assert items == ["第十条", "第十四条", "第十九条第二款", "第二十一条第二款", "第二十二条第二款", "第二十三条第二款"]
    kinds = [item.no for item in load_named("jiaozuo").items if item.list_kind is ListKind.ARTICLE]
    assert kinds == ["第七条末款-执法办案场所", "第七条末款-现场执法活动"]


@pytest.mark.parametrize("name", BOOKS)
def test_the_title_of_a_profile_is_its_documents(name: str) -> None:
    profile = load_named(name)
    assert profile.name == name
    assert profile.origin.document in profile.title.translate(dict.fromkeys(map(ord, "《》")))
    assert profile.title_en.isascii()


NEUTRAL_ROOMS = {
    Procedure.HEARING: ("书记员", "听证场所"),
    Procedure.LICENCE_HEARING: ("书记员", "听证场所"),
    Procedure.WINDOW: ("工作人员", "受理窗口"),
    Procedure.INTERVIEW: ("记录人", "询问场所"),
    Procedure.STATEMENT: ("执法人员", "陈述申辩场所"),
    Procedure.SERVICE: ("执法人员", "送达场所"),
}


def _sources(value: object) -> Iterator[str]:
    """Every source within a part of a profile."""
    if isinstance(value, tuple):
        for one in value:
            yield from _sources(one)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            inner = getattr(value, field.name)
            yield from (inner,) if field.name == "source" else _sources(inner)


def test_the_neutral_default_is_nobodys_rule_and_as_strict_as_any() -> None:
    neutral = load_named("neutral")
    assert set(filter(None, _sources(neutral))) == {"本规则"}
    assert (neutral.origin.document, neutral.origin.issuer) == ("留痕通用默认规则", "无")
    assert (neutral.name, neutral.title) == ("neutral", "通用默认规则（不属于任何辖区）")
    assert (neutral.items, neutral.articles, neutral.archive, neutral.access) == ((), (), None, ())
    assert {one.procedure: (one.recorder, one.place) for one in neutral.templates} == NEUTRAL_ROOMS
    for template in neutral.templates:
        assert (template.obligation, template.span) == (Obligation.MUST, Span.WHOLE)
        assert template.begin is (Begin.AT if template.procedure is Procedure.WINDOW else Begin.BEFORE)
    assert neutral.store is not None
    assert neutral.store.limit == Limit(
        amount=24, unit=Unit.HOURS, trigger=Trigger.SESSION_END, words="场次结束后24小时内"
    )


def test_what_the_neutral_default_asks_of_the_room_and_the_papers_is_jiaozuos() -> None:
    """Where nobody chose a rule, the fullest of the five is taken, and 国家秘密 (Jiaozuo Art. 19) for 军事秘密."""
    neutral, jiaozuo = load_named("neutral"), load_named("jiaozuo")
    for name in ("notice.text", "place.plate_required", "place.spoken_otherwise", "store.destination"):
        ours, theirs = (operator.attrgetter(name)(one) for one in (neutral, jiaozuo))
        assert (ours.rstrip("。") if isinstance(ours, str) else ours) == theirs, name
    for name in ("evidence_sheet.fields", "disc_label.fields", "custodian.role", "retention.words"):
        ours, theirs = (operator.attrgetter(name)(one) for one in (neutral, jiaozuo))
        assert ours == theirs or ours.endswith(theirs) or ours in theirs, name
    assert [one.cause for one in neutral.interruptions] == [one.cause for one in jiaozuo.interruptions]
    assert [(one.kind, one.cites) for one in neutral.prohibitions] == [
        (one.kind, one.cites) for one in jiaozuo.prohibitions
    ]
    assert list(neutral.grounds()) == ["国家秘密", *SECRETS[1:], "法律法规规定"]
    assert [one.text for one in neutral.key_moments] == ["出示证据", "当事人提出异议", jiaozuo.key_moments[-1].text]
    assert [one.code for one in neutral.long_term] == [LongTermCode.OTHER]
