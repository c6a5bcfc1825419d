"""Calls about voices, elements and faces: refused parameters, requests, and parsed responses."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest

from kling_async import (
    BalanceDeduction,
    DeleteElement,
    DeleteVoice,
    Element,
    Face,
    Faces,
    IdentifyFaces,
    PresetElements,
    PresetVoices,
    RequestRefused,
    UnexpectedAnswer,
    Video,
    Voice,
    estimate,
)
from kling_async.protocol.call import CallEndpoint, ListEndpoint
from kling_async.protocol.catalog import call_endpoint_of
from kling_async.protocol.wire import requests, responses
from tests.protocol.recorded_bodies import enveloped, recorded
from tests.repeatable import pickled

CLIP = "https://files.example/clip.mp4"
VIDEO = Video(id="867283741759110900", url="https://files.example/made.mp4", duration=Decimal("5.1"))


def endpoint_of(request: object) -> CallEndpoint:
    """The endpoint of a call."""
    endpoint = call_endpoint_of(request)
    assert endpoint is not None
    return endpoint


def sent(request: object) -> tuple[str, str, Any]:
    """The method, path and members of a call."""
    made = requests.of_call(endpoint_of(request), request)
    return made.method, made.path, json.loads(b"".join(part for part in made.body if isinstance(part, bytes)))


def read(request: object, response: Any) -> Any:
    """The value parsed from a response."""
    return responses.value(response, endpoint_of(request).read)


# ------------------------------------------------------------------------------------------------- what is sent


@pytest.mark.parametrize(
    ("request_", "path", "members"),
    [
        (DeleteVoice("867283741759110600"), "general/delete-voices", {"voice_id": "867283741759110600"}),
        (DeleteVoice(Voice(voice_id="7", voice_name="mine")), "general/delete-voices", {"voice_id": "7"}),
        (DeleteElement(829836802793406551), "general/delete-advanced-elements", {"element_id": "829836802793406551"}),
        (DeleteElement("163"), "general/delete-advanced-elements", {"element_id": "163"}),
        (DeleteElement(Element(element_id=163)), "general/delete-advanced-elements", {"element_id": "163"}),
        (IdentifyFaces(video_id="867283741759110900"), "videos/identify-face", {"video_id": "867283741759110900"}),
        (IdentifyFaces(VIDEO, video_id="", video_url=""), "videos/identify-face", {"video_id": "867283741759110900"}),
        (IdentifyFaces(video_url=CLIP), "videos/identify-face", {"video_url": CLIP}),
    ],
    ids=repr,
)
def test_what_is_sent(request_: object, path: str, members: dict[str, str]) -> None:
    """Ids are sent as text, whatever their type, and an earlier result as its id."""
    assert sent(request_) == ("POST", f"/v1/{path}", members)
    assert endpoint_of(request_).problems(request_, {}) == []


@pytest.mark.parametrize(
    ("request_", "problems"),
    [
        (DeleteVoice(""), {"voice_id": "is required"}),
        (DeleteVoice(7), {"voice_id": "expected text"}),  # type: ignore[arg-type]  # what is refused
        (DeleteElement(0), {"element_id": "out of range"}),
        (DeleteElement(1), {}),
        (DeleteElement(2**63), {"element_id": "out of range"}),
        (DeleteElement("robot"), {"element_id": "expected a whole number"}),
        (IdentifyFaces(), {"video": "one of them is required"}),
        (IdentifyFaces(video_id="", video_url=""), {"video": "one of them is required"}),
        (IdentifyFaces(video_id="5", video_url=CLIP), {"video_url": "exclude each other"}),
        (IdentifyFaces(VIDEO, video_url=CLIP), {"video_url": "exclude each other"}),
        (IdentifyFaces(CLIP), {"video": "expected what an earlier request made"}),  # type: ignore[arg-type]  # as above
        (IdentifyFaces(attrs.evolve(VIDEO, id="")), {"video": "came without id: give video_id or another one"}),
        (IdentifyFaces(video_url="clip.mp4"), {"video_url": "no address"}),
        (IdentifyFaces(video_id=5), {"video_id": "expected text"}),  # type: ignore[arg-type]  # what is refused
        (PresetVoices(page_size=0), {"page_size": "use 1 to 1000"}),
        (PresetVoices(page_size=1001), {"page_size": "use 1 to 1000"}),
        (PresetVoices(page_size=1000), {}),
        (PresetElements(page_size=501), {"page_size": "use 1 to 500"}),
        (PresetElements(page_size=500), {}),
        (PresetElements(page_size="all"), {"page_size": "expected a whole number"}),  # type: ignore[arg-type]  # as above
    ],
    ids=repr,
)
def test_what_is_refused(request_: object, problems: dict[str, str]) -> None:
    """Each broken rule is reported with its field and the valid values."""
    found = {problem.field: problem.message for problem in endpoint_of(request_).problems(request_, {})}
    assert found.keys() == problems.keys()
    assert all(expected_text in found[field] for field, expected_text in problems.items())


# ------------------------------------------------------------------------------------------------- what is read


def test_the_recorded_faces_are_read() -> None:
    """The session, cost and times of each face in milliseconds are read; the repr hides signatures."""
    faces = read(IdentifyFaces(), recorded("identify_face_ok"))
    host = "https://v1-kling.example.invalid/face"
    assert faces == Faces(
        session_id="867283741759110300",
        face_data=(
            Face(face_id="0", face_image=f"{host}/0.jpg", start_time=0, end_time=5200),
            Face(face_id="1", face_image=f"{host}/1.jpg", start_time=1000, end_time=4000),
        ),
        final_unit_deduction=Decimal("0.05"),
        final_balance_deduction=BalanceDeduction(quota=Decimal(0), list_price=Decimal(0)),
    )
    assert pickled(faces) == faces
    assert "secret" not in repr(IdentifyFaces(video_url=f"{CLIP}?Signature=secret"))
    assert "secret" not in repr(Face(face_id="0", face_image=f"{host}/0.jpg?Signature=secret"))


@pytest.mark.parametrize(
    ("data", "faces"),
    [
        ({"session_id": 5}, Faces(session_id="5")),
        ({"session_id": "5", "face_data": []}, Faces(session_id="5")),
        ({"session_id": "5", "face_data": None, "final_balance_deduction": None}, Faces(session_id="5")),
        (
            {"session_id": "5", "face_data": [5, {}, {"face_id": 0, "start_time": "10", "end_time": "x"}]},
            Faces(session_id="5", face_data=(Face(face_id="0", start_time=10),)),
        ),
    ],
)
def test_faces_are_read_leniently(data: Any, faces: Faces) -> None:
    """An unreadable member of a face does not affect the others; the session is what was paid for."""
    assert read(IdentifyFaces(), enveloped(data)) == faces


@pytest.mark.parametrize("data", [None, [], {}, "5", {"session_id": ""}, {"face_data": [{"face_id": "0"}]}])
def test_faces_without_a_session_are_an_error(data: Any) -> None:
    """Faces without a session are useless: the error contains the response."""
    with pytest.raises(UnexpectedAnswer, match="no session") as caught:
        read(IdentifyFaces(), enveloped(data))
    assert caught.value.data == data


@pytest.mark.parametrize(
    ("request_", "name"), [(DeleteVoice("5"), "delete_voices_ok"), (DeleteElement(5), "delete_elements_ok")]
)
def test_recorded_deletes_are_read(request_: object, name: str) -> None:
    """A delete has no value."""
    assert read(request_, recorded(name)) is None


@pytest.mark.parametrize("data", [None, {}, [], {"task_id": "1", "task_status": "submitted"}])
def test_other_successes_of_a_delete(data: Any) -> None:
    """Any successful code of a delete means done, or pending; only a failure is an error."""
    assert read(DeleteVoice("5"), enveloped(data)) is None
    failed = enveloped({"task_status": "failed", "task_status_msg": "in use"})
    with pytest.raises(RequestRefused, match="in use"):
        read(DeleteVoice("5"), failed)


def test_recorded_presets_are_read() -> None:
    """Each entry of a page has the form of a task, and contains a voice or an element."""
    [[voice]] = read(PresetVoices(), recorded("presets_voices_list"))
    assert voice == Voice(
        voice_id="829824295735410756",
        voice_name="preset voice",
        trial_url="https://v1-kling.example.invalid/voice/trial-600.wav",
        owned_by="kling",
    )
    [[element]] = read(PresetElements(), recorded("advanced_presets_elements_list"))
    assert (element.element_id, element.element_name, element.owned_by) == (867283741759110, "preset", "kling")


@pytest.mark.parametrize(
    ("data", "ids"),
    [
        (None, []),
        ([], []),
        ([{"task_result": {"voices": [{"voice_id": "1"}, {}, {"voice_id": "2"}]}}, 5, {}], [["1", "2"], [], []]),
    ],
)
def test_empty_entries_of_a_page_are_counted(data: Any, ids: list[list[str]]) -> None:
    """All entries of a page are counted, as the number shows whether there is another page."""
    pages = read(PresetVoices(), enveloped(data))
    assert [[voice.voice_id for voice in entry] for entry in pages] == ids


@pytest.mark.parametrize("data", [5, "x", {}, {"voices": []}])
def test_a_page_must_be_an_array(data: Any) -> None:
    """A page that is not an array is an error."""
    with pytest.raises(UnexpectedAnswer, match="expected a list"):
        read(PresetVoices(), enveloped(data))


# ---------------------------------------------------------------------------------------------------- traits


def test_only_faces_are_charged() -> None:
    """A face call costs 0.05 units and is never sent twice in doubt; deletes and lists are free."""
    price = estimate(IdentifyFaces(video_id="5"))
    assert (price.units, price.usd) == (Decimal("0.05"), Decimal("0.0070"))
    records: list[Callable[[], Any]] = [IdentifyFaces, lambda: DeleteVoice("5"), lambda: DeleteElement(5), PresetVoices]
    assert [endpoint_of(make()).charges for make in records] == [True, False, False, False]
    assert [isinstance(endpoint_of(make()), ListEndpoint) for make in records] == [False, False, False, True]
