import math
from decimal import Decimal
from typing import Any

import pytest

from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoint import Pool
from kling_async.protocol.endpoints.audio.text_to_audio import ENDPOINT, TextToAudio
from kling_async.protocol.result_files import files_of
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.wire import requests, responses
from tests.protocol.recorded_bodies import recorded

LEAST: dict[str, Any] = {"prompt": "rain on a tin roof", "duration": 5.5}


def test_what_is_sent() -> None:
    """The duration goes out as a number, not as the text that videos want; what is left out is not sent."""
    sent = requests.create(ENDPOINT, TextToAudio("rain", duration=5.5, callback_url="", external_task_id="mine"))
    assert (sent.method, sent.path) == ("POST", "/v1/audio/text-to-audio")
    assert sent.body == (b'{"prompt":"rain","duration":5.5,"external_task_id":"mine"}',)


@pytest.mark.parametrize(
    "parameters",
    [
        {"prompt": "x" * 200},
        {"duration": 3},
        {"duration": 10.0},
        {"duration": 5.25},
        {"external_task_id": "mine", "callback_url": "https://example.com/kling"},
    ],
    ids=str,
)
def test_what_passes(parameters: dict[str, Any]) -> None:
    """Documented values are not refused; nor is a second decimal, which is left to the service."""
    assert ENDPOINT.problems(TextToAudio(**LEAST | parameters), {}) == []


@pytest.mark.parametrize(
    ("parameters", "field", "text"),
    [
        ({"prompt": ""}, "prompt", "is required"),
        ({"prompt": None}, "prompt", "is required"),
        ({"prompt": 5}, "prompt", "expected text"),
        ({"prompt": "x" * 201}, "prompt", "201 characters; at most 200"),
        ({"duration": 2.9}, "duration", "use 3 to 10"),
        ({"duration": 10.1}, "duration", "use 3 to 10"),
        ({"duration": math.nan}, "duration", "use 3 to 10"),
        ({"duration": "5.0"}, "duration", "expected a number"),
        ({"duration": True}, "duration", "expected a number"),
        ({"duration": None}, "duration", "expected a number"),
        ({"external_task_id": ".."}, "external_task_id", "cannot be looked up"),
        ({"callback_url": "me.example"}, "callback_url", "expected an http"),
    ],
)
def test_what_is_refused(parameters: dict[str, Any], field: str, text: str) -> None:
    """Each broken rule is reported with its field and what would be right."""
    problems = ENDPOINT.problems(TextToAudio(**LEAST | parameters), {})
    assert [problem.field for problem in problems] == [field]
    assert text in problems[0].message


def test_all_problems_at_once() -> None:
    """One look shows everything that is wrong."""
    request = TextToAudio("", duration=1, callback_url="x", external_task_id=".")
    fields = [problem.field for problem in ENDPOINT.problems(request, {})]
    assert fields == ["prompt", "duration", "callback_url", "external_task_id"]


@pytest.mark.parametrize("duration", [3, 10.0, "wrong"])
def test_estimate(duration: Any) -> None:
    """A task costs a quarter of a unit of the video pack, however long it is."""
    estimate = ENDPOINT.estimate(TextToAudio("rain", duration=duration))
    assert (estimate.units, estimate.usd) == (Decimal("0.25"), Decimal("0.035"))


def test_where_it_is_found() -> None:
    """The endpoint is found by its record and by the first half of its references; it has no models."""
    request = TextToAudio(**LEAST)
    assert endpoint_of(request) is ENDPOINT
    assert endpoint_named("audio/text-to-audio") is ENDPOINT
    assert ENDPOINT.finds_by_external_id
    assert (ENDPOINT.pool, ENDPOINT.result) == (Pool.VIDEO, ResultKind.AUDIO)
    assert ENDPOINT.line_of(request) == "audio/text-to-audio"
    assert ENDPOINT.kind_of(request) == "audio/text-to-audio///5.5"


def test_recorded_task() -> None:
    """The recorded task has its sound in both formats, and its cost is the estimate."""
    task = responses.task(recorded("text_to_audio_query_succeed"), ENDPOINT.name, "job-0033")
    assert (task.external_task_id, task.videos) == ("job-0033", ())
    assert [file.name("1", watermark=False) for file in files_of(task)] == ["1.mp3", "1.wav"]
    assert task.final_unit_deduction == ENDPOINT.estimate(TextToAudio(**LEAST)).units
