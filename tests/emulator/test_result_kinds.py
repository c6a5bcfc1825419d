"""Results other than videos: pictures, sound, voices, elements."""

import json
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_async.emulator import Emulator
from kling_async.emulator.account.task import EmulatedTask
from kling_async.emulator.results.elements import ElementResult, View
from kling_async.emulator.results.rendering.spec import RenderSpec
from kling_async.emulator.results.result import Result
from kling_async.emulator.results.several import SeveralResults
from kling_async.emulator.results.sounds import SoundResult, SpeechResult
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.results.voices import VoiceResult
from kling_async.emulator.service import app
from kling_async.emulator.service.answers import called_back
from kling_async.emulator.service.checks import fields, members
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Endpoint

from .browser import MISSING, Browser
from .conftest import FAR, Caller, Clock
from .test_pictures import made, pictures

RECORDED = Path(__file__).parents[1] / "recorded" / "siblings"


def shape(value: Any) -> Any:
    """Returns the members of a JSON value, at all depths, with the types of their values."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize(
    ("recorded", "result"),
    [
        ("images_generations_query_succeed", pictures(watermark=True)),
        ("images_generations_list", pictures(count=1)),
        ("omni_image_query_succeed_live", pictures(count=1, result_type="single")),
        ("omni_image_series_query_succeed", pictures(result_type="series", watermark=True)),
        ("text_to_audio_query_succeed", SoundResult(text="rain", milliseconds=5000)),
        ("tts_ok", SpeechResult(text="rain", milliseconds=5000)),
        ("custom_voice_query_succeed_live", VoiceResult(name="narrator")),
        (
            "advanced_elements_query_succeed",
            ElementResult(
                name="a", description="b", views=(View(image="", width=300, height=300),) * 2, tags=("o_102",)
            ),
        ),
        (
            "advanced_elements_query_video_refer",
            ElementResult(
                name="a",
                description="b",
                video_url="https://example.com/a.mp4",
                voice=tuple(VoiceResult(name="narrator").voice("5", str).items()),
                tags=("o_102",),
            ),
        ),
        (
            "video_to_audio_query_succeed",
            SeveralResults(
                (
                    VideoResult(spec=RenderSpec(width=64, height=36, fps=24, seconds=5), watermark=False),
                    SoundResult(text="rain", milliseconds=5000),
                )
            ),
        ),
    ],
    ids=str,
)
def test_a_result_has_the_members_that_are_recorded(recorded: str, result: Result) -> None:
    """The `task_result` has the members, order and types of the recorded body."""
    data = json.loads((RECORDED / f"{recorded}.json").read_text())["body"]
    expected = (data["data"][0] if isinstance(data["data"], list) else data["data"])["task_result"]

    assert json.dumps(shape(result.task_result("867283741759110", str)), default=str) == json.dumps(
        shape(expected), default=str
    )


@pytest.mark.parametrize("result", [pictures(), SoundResult(text="a", milliseconds=3000), VoiceResult(name="a")])
def test_a_changed_file_is_another(result: Result) -> None:
    """A revised result has other bytes in each file."""
    for name in result.files:
        assert made(result.revised(1), name) != made(result, name)


def test_parts_have_different_ids() -> None:
    """Several results of a task have different ids, and each file belongs to its part."""
    both = SeveralResults((VoiceResult(name="a"), SoundResult(text="a", milliseconds=3000)))
    result = both.task_result("41", str)

    assert (result["voices"][0]["voice_id"], result["audios"][0]["id"]) == ("41", "42")
    assert list(both.files) == ["trial", "mp3", "wav"]
    assert made(both, "wav") == made(both.parts[1], "wav")
    assert both.revised(1).parts == tuple(part.revised(1) for part in both.parts)


def endpoint_of(results: Mapping[str, Result]) -> Endpoint:
    """Returns an endpoint whose tasks have the results that their prompts name."""

    def accept(body: Body) -> AcceptedRequest:
        prompt = fields.text(body, "prompt")
        return AcceptedRequest(
            **every_task(body), units=Decimal(1), prompt=prompt, parameters=body, result=results[prompt]
        )

    return Endpoint(
        path="/v1/x/y",
        members={"prompt": str} | members.EVERY_TASK,
        accept=accept,
        estimate=lambda _body: Decimal(1),
        generation_seconds=lambda _body: 9.0,
    )


RESULTS: dict[str, Result] = {
    "pictures": pictures(watermark=True),
    "sound": SoundResult(text="rain", milliseconds=3000),
    "voice": VoiceResult(name="narrator"),
    "element": ElementResult(name="a", description="b", views=(View(image="", width=400, height=300),)),
}


@pytest.fixture(params=[True, False], ids=["rendering", "without the extra"])
async def emulator(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[Emulator]:
    """Yields a running emulator that has all kinds of results."""
    monkeypatch.setattr(app, "FOUND", (endpoint_of(RESULTS),))
    async with Emulator(clock=clock, speed=1.0, render=request.param) as running:
        yield running


async def finish(caller: Caller, clock: Clock, prompt: str, **parameters: Any) -> Any:
    """Creates a task, lets it end, and returns its `data`."""
    body = {"prompt": prompt} | parameters
    answer = await caller.request("POST", "/v1/x/y", json=body, headers=caller.headers)
    clock.advance(FAR)
    return (await caller.get(f"/v1/x/y/{answer.body['data']['task_id']}")).body["data"]


async def test_files_have_their_content_type(caller: Caller, clock: Clock) -> None:
    """Each file has the content type of its kind, at its link and on the page."""
    kinds = {".png": ("image/png", b"\x89PNG"), ".wav": ("audio/wav", b"RIFF"), ".mp3": ("audio/mpeg", b"ID3")}
    for prompt in RESULTS:
        text = json.dumps(await finish(caller, clock, prompt))
        links = [each for each in text.split('"') if "/files/" in each]
        shown = (await caller.request("GET", "/_emulator/state")).body["tasks"][0]["files"]
        assert len(links) == len(shown) > 0
        for url in (*links, *shown.values()):
            answer = await caller.request("GET", url)
            content_type, start = kinds[url.partition("?")[0][-4:]]
            assert (answer.status, answer.headers["content-type"]) == (200, content_type)
            assert answer.content.startswith(start)


def card_of(prompt: str) -> str:
    """Returns a script that reads the entry of the task with a prompt from the page."""
    cards = "[...document.querySelectorAll('.task')]"
    return f"{cards}.find((card) => card.querySelector('.prompt').textContent === '{prompt}')"


@pytest.mark.skipif(bool(MISSING), reason=MISSING or "a browser is here")
async def test_the_page_shows_pictures_and_plays_sound(caller: Caller, clock: Clock, tmp_path: Path) -> None:
    """Each picture of a task is visible, with a link for each watermark; sound plays; all fits a phone."""
    async with Browser(tmp_path / "profile") as browser:
        for prompt in RESULTS:
            await finish(caller, clock, prompt)
        await browser.open(caller.emulator.base_url)
        for prompt, widths in (("pictures", "1360,1360"), ("element", "400")):
            pictures_of = f"[...{card_of(prompt)}?.querySelectorAll('.stage img') ?? []]"
            await browser.until(f"return {pictures_of}.map((image) => image.naturalWidth).join() === '{widths}'")
        links = f"{card_of('pictures')}.querySelectorAll('.others a')"
        assert await browser.run(f"return {links}.length") == 2
        for prompt, count in (("sound", 2), ("voice", 1)):
            players = f"[...{card_of(prompt)}.querySelectorAll('audio')]"
            assert await browser.run(f"return {players}.length") == count
            await browser.run(f"{players}.forEach((sound) => {{ sound.muted = true; sound.play(); }})")
            await browser.until(f"return {players}.every((sound) => !sound.error && sound.currentTime > 0.2)")
        for width in (1280, 390):
            await browser.resize(width, 800)
            assert await browser.run("return document.documentElement.scrollWidth") <= width
        assert await browser.complaints() == []


def test_callbacks_contain_no_watermark() -> None:
    """The posted body has the result without the links to watermarks, for any kind of result."""
    endpoint = endpoint_of({"series": pictures(result_type="series", watermark=True)})
    task = EmulatedTask(
        task_id="1",
        result_id="2",
        endpoint=endpoint,
        request=endpoint.accept({"prompt": "series", "watermark_info": {"enabled": True}}),
        created_at=0.0,
        started_at=1.0,
        finished_at=2.0,
        failure="",
    )

    result = called_back(task, 3.0, lambda _task, name: name)["task_result"]

    assert (result["result_type"], result["images"]) == ("series", [])
    assert result["series_images"] == [{"index": 0, "url": "image-0"}, {"index": 1, "url": "image-1"}]
