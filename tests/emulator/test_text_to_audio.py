import io
import json
import wave
from pathlib import Path
from typing import Any

import pytest

from kling_async.emulator import mean_generation_seconds
from kling_async.emulator.service.endpoints.text_to_audio import ENDPOINT
from kling_async.emulator.service.errors import Refusal

from .conftest import FAR, Caller, Clock

RAIN: dict[str, Any] = {"prompt": "rain", "duration": 5.5}
RECORDED = Path(__file__).parents[1] / "recorded" / "siblings" / "text_to_audio_query_succeed.json"


@pytest.mark.parametrize(
    "body", [RAIN, RAIN | {"prompt": "x" * 200, "duration": 3}, RAIN | {"duration": 10.0, "external_task_id": ""}]
)
def test_a_documented_request_is_accepted(body: dict[str, Any]) -> None:
    """Documented requests are accepted, at the price of its table."""
    assert str(ENDPOINT.accept(body).units) == "0.25"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"duration": 5.0}, "prompt can not be null"),
        (RAIN | {"prompt": ""}, "prompt can not be null"),
        (RAIN | {"prompt": "x" * 201}, "prompt: size must be between 0 and 200"),
        ({"prompt": "rain"}, "duration can not be null"),
        (RAIN | {"duration": "5.0"}, "duration must be a number"),
        (RAIN | {"duration": 2.9}, "duration must be between 3 and 10"),
        (RAIN | {"duration": 10.1}, "duration must be between 3 and 10"),
        (RAIN | {"callback_url": "cat"}, "callback_url is invalid"),
    ],
)
def test_a_forbidden_request_is_refused(body: dict[str, Any], message: str) -> None:
    """Requests that the documentation forbids are refused with 1201 and a message that names the member."""
    with pytest.raises(Refusal) as caught:
        ENDPOINT.accept(body)
    assert (caught.value.code, caught.value.message) == (1201, message)


def test_refused_content_has_its_own_code() -> None:
    """The word "refused" makes the service refuse the content, with 1301."""
    with pytest.raises(Refusal) as caught:
        ENDPOINT.accept(RAIN | {"prompt": "refused"})
    assert caught.value.code == 1301


def test_time() -> None:
    """A sound takes a minute, as the documentation's example did."""
    assert mean_generation_seconds(ENDPOINT.path, RAIN) == 60


async def test_a_task_answers_as_recorded(caller: Caller, clock: Clock) -> None:
    """Its answer has the members of the recorded one, in order, and both files have the requested length."""
    body = RAIN | {"external_task_id": "job-0033"}
    made = await caller.request("POST", ENDPOINT.path, json=body, headers=caller.headers)
    clock.advance(FAR)
    task_id = made.body["data"]["task_id"]
    for key in (task_id, "job-0033"):
        data = (await caller.get(f"{ENDPOINT.path}/{key}")).body["data"]
        expected = json.loads(RECORDED.read_text("utf-8"))["body"]["data"]
        assert data.keys() - {"watermark_info"} == expected.keys()
        [audio], [recorded] = data["task_result"]["audios"], expected["task_result"]["audios"]
        assert list(audio) == list(recorded)
        assert data["final_unit_deduction"] == expected["final_unit_deduction"]
        file = (await caller.request("GET", audio["url_wav"])).content
        with wave.open(io.BytesIO(file)) as sound:
            assert sound.getnframes() / sound.getframerate() == float(audio["duration_wav"]) == 5.5
        assert (await caller.request("GET", audio["url_mp3"])).content.startswith(b"ID3")
    assert [each["task_id"] for each in (await caller.get(ENDPOINT.path)).body["data"]] == [task_id]
