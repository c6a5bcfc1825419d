from typing import Any

import pytest

from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoint import Pool
from kling_async.protocol.endpoints.assets.identify_faces import read
from kling_async.protocol.endpoints.videos.lip_sync import ENDPOINT, FaceChoice, LipSync
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.faces import Face
from kling_async.protocol.media.sound import SoundFacts
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.results import Audio
from kling_async.protocol.wire.codec import to_wire
from tests.protocol.recorded_bodies import OTHERS

FACES = read(OTHERS["identify_face_ok"]["body"]["data"])
AUDIO = Audio(id="867283741759110501", url="https://h/a.mp3")
TIMES: dict[str, Any] = {"sound_start_time": 0, "sound_end_time": 3000, "sound_insert_time": 1000}
CHOICE: dict[str, Any] = {"face_id": "0", "audio_id": "7", **TIMES}


def one(**parameters: Any) -> LipSync:
    """A request whose only choice has these parameters."""
    return LipSync(FACES, face_choose=[{**CHOICE, **parameters}])


def test_the_recorded_request() -> None:
    """The documentation's example is valid and sent unchanged, without empty members."""
    recorded = OTHERS["request_advanced_lip_sync"]["body"]
    request = LipSync(**recorded)
    assert ENDPOINT.problems(request, {}) == []
    sent = to_wire(request)
    [choice], [expected] = sent["face_choose"], recorded["face_choose"]
    assert choice.pop("sound_file").url == expected.pop("sound_file")
    assert sent == {"session_id": recorded["session_id"], "face_choose": [expected]}


def test_results_are_given_as_they_are() -> None:
    """Results of `identify_faces` and `text_to_speech` are sent as their ids."""
    choice = FaceChoice(face=FACES.face_data[1], audio=AUDIO, **TIMES)
    request = LipSync(FACES, face_choose=[choice], external_task_id="job")
    assert ENDPOINT.problems(request, {}) == []
    assert to_wire(request) == {
        "session_id": "867283741759110300",
        "face_choose": [{"face_id": "1", "audio_id": AUDIO.id, **TIMES}],
        "external_task_id": "job",
    }


@pytest.mark.parametrize(
    ("parameters", "field", "text"),
    [
        ({"face_id": ""}, "face_id", "give face_id or face"),
        ({"face": FACES.face_data[0]}, "face", "face_id and face exclude each other"),
        ({"face_id": None, "face": "0"}, "face", "expected what an earlier request made"),
        ({"face_id": 0}, "face_id", "expected text"),
        ({"audio_id": None}, "audio_id", "give audio_id, sound_file or audio"),
        ({"audio": AUDIO}, "audio", "exclude each other"),
        ({"audio_id": None, "audio": 7}, "audio", "expected what an earlier request made"),
        ({"sound_file": "https://h/a.mp3"}, "sound_file", "exclude each other"),
        ({"audio_id": None, "sound_file": "data:x"}, "sound_file", "'data:'"),
        ({"sound_start_time": -1}, "sound_start_time", "use at least 0"),
        ({"sound_end_time": 2.5}, "sound_end_time", "expected a whole number"),
        ({"sound_insert_time": -1}, "sound_insert_time", "use at least 0"),
        ({"sound_end_time": 2**63}, "sound_end_time", "use at most 9223372036854775807"),
        ({"sound_start_time": 1001}, "sound_end_time", "lasts 1999 ms; it must be at least 2000"),
        ({"sound_start_time": 9000}, "sound_end_time", "lasts -6000 ms"),
        ({"sound_volume": 2.1}, "sound_volume", "use 0 to 2"),
        ({"original_audio_volume": -0.1}, "original_audio_volume", "use 0 to 2"),
    ],
)
def test_what_is_refused_of_a_choice(parameters: dict[str, Any], field: str, text: str) -> None:
    """Each broken rule of a choice is reported with the path of its field and the valid values."""
    problems = ENDPOINT.problems(one(**parameters), {})
    assert [problem.field for problem in problems] == [f"face_choose[0].{field}"]
    assert text in problems[0].message


@pytest.mark.parametrize(
    ("parameters", "field", "text"),
    [
        ({"session_id": ""}, "session_id", "is required"),
        ({"session_id": 5}, "session_id", "expected text"),
        ({"face_choose": []}, "face_choose", "give 1 face"),
        ({"face_choose": None}, "face_choose", "give 1 face"),
        ({"face_choose": [CHOICE, CHOICE]}, "face_choose", "has 2 entries; at most 1"),
        ({"face_choose": CHOICE}, "face_choose", "expected a list"),
        ({"face_choose": ["0"]}, "face_choose[0]", "expected FaceChoice or a dict"),
        ({"face_choose": [{"face_id": "0", "audio_id": "7"}]}, "face_choose[0]", "missing key 'sound_start_time'"),
        ({"external_task_id": ".."}, "external_task_id", "cannot be looked up"),
        ({"callback_url": "me.example"}, "callback_url", "expected an http"),
        ({"watermark_info": True}, "watermark_info", "expected WatermarkInfo"),
    ],
)
def test_what_is_refused(parameters: dict[str, Any], field: str, text: str) -> None:
    """A request needs a session, exactly one face, and valid members."""
    problems = ENDPOINT.problems(LipSync(**{"session_id": "1", "face_choose": [CHOICE], **parameters}), {})
    assert [problem.field for problem in problems] == [field]
    assert text in problems[0].message


@pytest.mark.parametrize(
    ("begins", "lasts", "seen"),
    [
        (1000, 2000, None),
        (2000, 9000, None),
        (0, 3000, None),
        (0, 2999, 1999),
        (2001, 9000, 1999),
        (4000, 2000, 0),
        (9000, 2000, 0),
    ],
)
def test_the_face_is_seen_while_it_speaks(begins: int, lasts: int, seen: int | None) -> None:
    """A face visible from 1000 to 4000 ms must be visible for 2000 ms of the sound's time in the video."""
    face = FACES.face_data[1]
    request = one(face_id=None, face=face, sound_insert_time=begins, sound_end_time=lasts)
    problems = [(each.field, each.message) for each in ENDPOINT.problems(request, {})]
    assert [field for field, _ in problems] == ["face_choose[0].sound_insert_time"] * (seen is not None)
    assert all(f"is seen for {seen} ms" in message for _, message in problems)


@pytest.mark.parametrize("face", [Face(face_id="0"), Face(face_id="0", start_time=0), Face(face_id="0", end_time=1)])
def test_a_face_without_times_is_valid(face: Face) -> None:
    """A face without times causes no problem."""
    assert ENDPOINT.problems(one(face_id=None, face=face), {}) == []


def test_local_sounds_are_checked() -> None:
    """A local sound is checked under its own field path."""
    facts = {"face_choose[0].sound_file": SoundFacts(size=2**30, suffix=".ogg")}
    problems = ENDPOINT.problems(one(audio_id=None, sound_file="a.ogg"), facts)
    assert {each.field for each in problems} == {"face_choose[0].sound_file"}
    assert len(problems) == 2


def test_the_endpoint() -> None:
    """Tasks make videos; they are not found by external id, and their price is not known in advance."""
    request = one()
    assert endpoint_of(request) is ENDPOINT is endpoint_named("advanced-lip-sync")
    assert (ENDPOINT.result, ENDPOINT.pool, ENDPOINT.finds_by_external_id) == (ResultKind.VIDEO, Pool.VIDEO, False)
    assert ENDPOINT.estimate(request) == Estimate(units=None, usd=None)
