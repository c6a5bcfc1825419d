"""C1 to C32: what breaks each rule is found, what is legal passes, and no rule is there in vain."""

from typing import Any

import pytest

from kling_async import current
from kling_async.protocol.endpoints.current import checks, table
from tests.protocol.recorded_bodies import OTHERS

from .bodies import O1, OMNI, OMNI_3, PATHS, TWO_SHOTS, Case, body, found, item, named, with_prompt
from .cases import CASES, V3

EACH_CASE = pytest.mark.parametrize("case", CASES, ids=[f"{each.rule}-{each.words}" for each in CASES])


@EACH_CASE
def test_what_breaks_a_rule_is_found(case: Case) -> None:
    """Each broken rule is a problem of the member that breaks it, which refuses or warns by that rule."""
    assert found(case)


@pytest.mark.parametrize("rule", checks.CERTAIN + checks.RULES, ids=lambda rule: rule.__name__)
def test_no_rule_is_there_in_vain(monkeypatch: pytest.MonkeyPatch, rule: checks.Rule) -> None:
    """Without any one of the rules something passes that must not, or is not warned of."""
    monkeypatch.setattr(checks, "CERTAIN", tuple(each for each in checks.CERTAIN if each is not rule))
    monkeypatch.setattr(checks, "RULES", tuple(each for each in checks.RULES if each is not rule))
    needs_records = rule.__name__ == "element_kinds"  # kinds are not in bodies
    assert needs_records or not all(map(found, CASES))


def test_all_rules_have_cases() -> None:
    """C1 to C32 are all there; what depends on the kind of an element needs records."""
    assert {f"C{number}" for number in range(1, 33)} - {case.rule for case in CASES} == {"C18"}


@pytest.mark.parametrize("path", PATHS)
def test_what_is_legal_passes(path: str) -> None:
    """The least body of each path has no problem, in any of its resolutions, durations, ratios and sounds."""
    row = table.row_of(path)
    assert row is not None
    choices: dict[str, tuple[Any, ...]] = {
        "resolution": row.resolutions,
        "duration": row.durations,
        "aspect_ratio": row.ratios,
        "audio": row.audio,
    }
    for name, values in choices.items():
        for value in values:
            sure = {"resolution": "1080p"} if value == "native" else {}
            more = [item("refer_image", id="cat")] if path == O1 and name == "duration" else []
            more += [item("base_video")] if path.startswith(OMNI) and value == "original" else []
            edit = {"multi_shot": False} if value == "original" and path == OMNI_3 else {}
            assert current.problems(path, body(path, *more, **{name: value, **sure, **edit})) == []


@pytest.mark.parametrize(
    ("path", "legal"),
    [
        (V3, body(V3, *named("element", *"xyz"))),
        (OMNI_3, body(OMNI_3, *named("refer_image", *"abcdefg"))),
        (OMNI_3, body(OMNI_3, item("first_frame"), item("last_frame"), aspect_ratio=None)),
        (OMNI_3, with_prompt(TWO_SHOTS, OMNI_3, multi_shot=True, duration=5)),
        (V3, with_prompt("@hero walks, mailto me@here.example", V3)),
        (V3, {**body(V3), "options": {"external_task_id": "", "watermark_info": {"enabled": False}}}),
        (V3, body(V3, item("last_frame", url="HTTPS://files.example/a%20b.png?x=1"))),
    ],
)
def test_what_is_at_the_edge_passes(path: str, legal: Any) -> None:
    """What is just possible is not refused."""
    assert [problem for problem in current.problems(path, legal) if not problem.only_warns] == []


def recorded(prefix: str) -> list[str]:
    """The recordings whose names begin so."""
    return [name for name in OTHERS if name.startswith(prefix)]


@pytest.mark.parametrize("name", recorded("req_"))
def test_recorded_requests_pass(name: str) -> None:
    """None of the documentation's examples is refused; the only warnings are of what sources disagree about."""
    path = OTHERS[name]["_meta"]["source"].rpartition("POST ")[2]
    problems = current.problems(path, OTHERS[name]["body"])
    assert [problem for problem in problems if not problem.only_warns] == []
    warned = {"req_kling_4_0_keyframes_unverified": ["path"], "req_omni_3_0_feature_video": ["settings.aspect_ratio"]}
    assert [problem.field for problem in problems] == warned.get(name, [])


BAD = {
    "bad_req_i2v_2_6_native_720p": ("/image-to-video/kling-2.6", ["settings.audio"]),
    "bad_req_legacy_fields_on_new_path": (
        "/image-to-video/kling-3.0",
        ["duration", "mode", "sound", "callback_url"],
    ),
    "bad_req_omni_foreign_types": (
        "/omni-video/kling-3.0-omni",
        ["contents[1].type", "contents[2].type", "settings.aspect_ratio"],
    ),
}


def test_all_bad_requests_are_known() -> None:
    """Each recorded bad request is looked at."""
    assert recorded("bad_req_") == sorted(BAD)


@pytest.mark.parametrize("name", BAD)
def test_recorded_bad_requests_are_refused(name: str) -> None:
    """What the service would have billed for is refused, with all that is wrong at once."""
    path, fields = BAD[name]
    problems = current.problems(path, OTHERS[name]["body"])
    assert [problem.field for problem in problems if not problem.only_warns] == fields


@pytest.mark.parametrize(
    "prompt",
    [
        "One long shot, 5 seconds, of a cat; a second shot, 2 of it, of a dog.",
        "She takes a shot 1, 2, 3, go; the ball is in.",
        "He runs; shot 2 of the series, then a tracking camera.",
        "\u4ed6\u8d70\u4e86\u3001shot 2\u3001\u8fd1\u666f",
        "Shots 1, 2 and 3 are one.",
    ],
)
def test_the_word_shot_is_a_word(prompt: str) -> None:
    """C29: prose with the word "shot" is not refused, wherever numbers and commas follow it."""
    problems = current.problems("/text-to-video/kling-3.0", {"prompt": prompt})
    assert [problem for problem in problems if not problem.only_warns] == []


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("@cat\u5728\u7761\u89c9", ""),
        ("\u5728@cat\u65c1\u8fb9", ""),
        ("@\u732b\u5728\u7761\u89c9", ""),
        ("@the dog, and @cat.", ""),
        ("@dog\u5728", "names @dog,"),
        ("\u5728@dog", "names @dog,"),
        ("@\u72d7", "names @\u72d7,"),
        ("me@cat.example", "has @cat inside"),
        ("me9@\u732b", "has @\u732b inside"),
        ("me@elsewhere.example", ""),
    ],
)
def test_names_beside_letters_that_have_no_spaces(prompt: str, words: str) -> None:
    """C28: the given ids separate a name from the words around it, and Chinese characters separate it like spaces."""
    materials = named("element", "cat", "\u732b", "the dog")
    made = {"contents": [item("prompt", text=prompt), item("first_frame"), *materials]}
    assert [problem.message.partition(words)[1] for problem in current.problems(V3, made)] == [words] * bool(words)


ODD: list[Any] = [None, 0, -1, True, 1.5, float("nan"), 10**5000, "", "\ud800", b"x", object(), {}, [], {1: 2}, [[]]]


@pytest.mark.parametrize("path", [*PATHS, "/image-to-video/kling-9", "/else", "", "/image-to-video/../x"])
def test_whatever_stands_in_a_body(path: str) -> None:
    """Any value of any member is a problem or passes, and never an exception; what is no JSON is always refused."""
    for value in ODD:
        places: list[Any] = [{name: value} for name in ("prompt", "contents", "settings", "options", "else")]
        places += [body(path if path in PATHS else V3) | place for place in places]
        places += [{"contents": [value]}, {"contents": [item("first_frame", url=value)]}]
        places += [{"contents": [{"type": value}]}, {"contents": [item("element", id=value, element_id=value)]}]
        places += [{"settings": {name: value}} for name in ("duration", "audio", "multi_shot", "else")]
        places += [{"options": {name: value}} for name in ("callback_url", "watermark_info", "external_task_id")]
        for place in places:
            problems = current.problems(path, place)
            assert all(0 < len(problem.message) < 500 for problem in problems)
            if type(value) in {object, bytes} or value in ("\ud800", 10**5000):
                assert not all(problem.only_warns for problem in problems)
    for value in ODD:
        assert current.problems(path, value) or isinstance(value, dict)
        wrong: Any = value
        assert current.problems(wrong, {})
