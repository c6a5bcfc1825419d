"""Common mistakes: each message names what to do next."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kling_async import (
    AimedPolling,
    AuthenticationError,
    CapabilityWarning,
    ConfigurationError,
    Durations,
    ImageFileMissing,
    ImageToVideo,
    InvalidReference,
    InvalidRequest,
    KlingClient,
    Polling,
    Retry,
    TargetError,
)
from kling_async.emulator import Emulator
from kling_async.protocol.auth import ApiKey
from tests.shell.conftest import ClientMaker
from tests.shell.stub import script, serve, task_answer

WEBP = b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(64)


async def test_a_request_is_checked_and_not_sent(client: KlingClient, emulator: Emulator, image: Path) -> None:
    """`check` raises all errors that `submit` would, files included; nothing is sent."""
    with pytest.raises(InvalidRequest) as refused:
        await client.check(ImageToVideo("no such cat.png", prompt="a" * 2501))
    assert {problem.field for problem in refused.value.problems} == {"image", "prompt"}
    with pytest.raises(InvalidRequest, match="sound"):
        await client.check(ImageToVideo(image, sound=True))
    await client.check(ImageToVideo(image, prompt="it moves"))
    assert emulator.ledger.created == 0


@pytest.mark.parametrize(
    ("mistake", "expected"),
    [
        ({"image": WEBP}, ["image", "WebP", "JPEG", "convert"]),
        ({"image": "data:image/png;base64,iVBORw0KGgo="}, ["image", "data:", "Image.from_base64"]),
        ({"image": "iVBORw0KGgo" + "A" * 400}, ["image", "base64", "Image.from_base64"]),
        ({"image": "no such cat.png"}, ["image", "no file", "no such cat.png"]),
        ({"image": b""}, ["image", "empty"]),
        ({"image": "ftp://example.com/cat.png"}, ["image", "http"]),
        ({"image": "."}, ["image", "regular file"]),
        ({"image": 7}, ["image", "path", "int"]),
        ({"image": None}, ["image", "image_tail"]),
        ({"duration": 7}, ["duration", "7", "5 or 10"]),
        ({"duration": "five"}, ["duration", "five"]),
        (
            {"image_tail": "CAT", "mode": "pro", "camera_control": {"type": "down_back"}},
            ["image_tail", "camera_control"],
        ),
        ({"camera_control": {"type": "simple", "config": {"zom": 5}}}, ["camera_control.config", "zom", "zoom"]),
        ({"model_name": "kling-v2-6", "mode": "4k"}, ["mode", "4k", "std or pro"]),
        ({"prompt": "x" * 2501}, ["prompt", "2501", "2500"]),
        ({"cfg_scale": 3, "model_name": "kling-v1"}, ["cfg_scale", "3", "0", "1"]),
        ({"voice_list": "voice"}, ["voice_list", "list"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
async def test_a_wrong_request_names_the_correct_values(
    client: KlingClient, image: Path, emulator: Emulator, mistake: dict[str, Any], expected: list[str]
) -> None:
    """The message has the parameter, the given value and the accepted ones; nothing is sent."""
    given: dict[str, Any] = {"image": image} | {
        key: image if value == "CAT" else value for key, value in mistake.items()
    }
    with pytest.raises(InvalidRequest) as caught:
        await client.image_to_video(**given)
    assert [word for word in expected if word not in str(caught.value)] == [], str(caught.value)
    assert len(str(caught.value)) < 700
    assert sum(emulator.ledger.requests.values()) == 0


async def test_all_problems_are_reported_at_once(client: KlingClient, image: Path) -> None:
    """Three mistakes make one error with three problems, each with its field."""
    with pytest.raises(InvalidRequest) as caught:
        await client.image_to_video(image, duration=7, prompt="x" * 3000, cfg_scale=2)
    assert {problem.field for problem in caught.value.problems} == {"duration", "prompt", "cfg_scale"}


async def test_a_missing_file_is_two_errors_in_one(client: KlingClient) -> None:
    """A missing file raises an error that is a KlingError and a FileNotFoundError."""
    with pytest.raises(FileNotFoundError) as caught:
        await client.image_to_video("missing.png")
    assert isinstance(caught.value, ImageFileMissing)


async def test_a_named_pipe_does_not_hang(client: KlingClient, tmp_path: Path) -> None:
    """A pipe without a writer is refused, not waited for."""
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InvalidRequest, match="regular file"):
        await client.image_to_video(tmp_path / "pipe.png")


async def test_a_file_that_is_gone_when_it_is_sent(make_client: ClientMaker, image: Path, tmp_path: Path) -> None:
    """A file that vanishes while its request waits for a slot is an error of that request, and frees the slot."""
    copy = tmp_path / "copy.png"
    copy.write_bytes(image.read_bytes())
    client = make_client(concurrency=1)
    first = await client.image_to_video(image)
    first.add_done_callback(lambda _: copy.unlink())
    with pytest.raises(InvalidRequest, match="cannot be read any more"):
        await client.image_to_video(copy)
    await (await client.image_to_video(image))


def test_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key the message names the variables, and the emulator, which needs none."""
    with pytest.raises(ConfigurationError, match=r"KLING_API_KEY.*KLING_ACCESS_KEY.*--emulator"):
        KlingClient()
    monkeypatch.setenv("KLING_ACCESS_KEY", "a")
    with pytest.raises(ConfigurationError, match="KLING_SECRET_KEY"):
        KlingClient()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"api_key": "a", "access_key": "b", "secret_key": "c"}, "not both"),
        ({"access_key": "b"}, "secret_key"),
        ({"secret_key": "b"}, "access_key"),
        ({"api_key": "  "}, "empty"),
        ({"api_key": "key with spaces"}, "letters that no key has"),
        ({"api_key": "key\r\nX-Evil: 1"}, "letters that no key has"),
        ({"api_key": "k", "base_url": "api.klingai.com"}, "https://"),
        ({"api_key": "k", "base_url": "https://api.klingai.com/v1"}, "/v1"),
        ({"api_key": "k", "base_url": "https://user:pw@api.klingai.com"}, "plain address"),
        ({"api_key": "k", "base_url": "https://[::1"}, "cannot be read"),
    ],
)
def test_a_wrong_configuration(options: dict[str, Any], expected: str) -> None:
    """A client with a wrong configuration is not created, and the message has no key."""
    with pytest.raises(ConfigurationError) as caught:
        KlingClient(**options)
    assert expected in str(caught.value)
    assert "pw" not in str(caught.value)
    assert "Evil" not in str(caught.value)


def test_keys_are_taken_as_they_are_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces around a key and a pasted `Bearer` are removed; an argument takes precedence over the environment."""
    monkeypatch.setenv("KLING_API_KEY", " Bearer key-1 \n")
    monkeypatch.setenv("KLING_BASE_URL", "https://api-beijing.klingai.com/")
    client = KlingClient()
    assert client._credentials == ApiKey("key-1")
    assert client._transport._base_url == "https://api-beijing.klingai.com"
    monkeypatch.setenv("KLING_ACCESS_KEY", "a")
    assert KlingClient(api_key="key-2")._credentials == ApiKey("key-2")


async def test_a_wrong_secret(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """A mistyped secret key is an AuthenticationError that names what to check."""
    client = make_client(access_key=emulator.access_key, secret_key="0" * 40)
    with pytest.raises(AuthenticationError, match="check the key"):
        await client.image_to_video(image)


@pytest.mark.parametrize("reference", ["", "8429", "image2video:", ":8429", "text2audio:1", "image2video:..", None])
async def test_a_wrong_reference(client: KlingClient, reference: Any) -> None:
    """An invalid reference is refused at once, with an example or the known endpoints."""
    with pytest.raises(InvalidReference, match=r"<endpoint>:<task id>|image2video"):
        client.attach(reference)


async def test_strict_false_warns_at_the_callers_line(client: KlingClient, image: Path, emulator: Emulator) -> None:
    """With `strict=False`, an undocumented combination is sent with a warning at the caller's line."""
    combination: dict[str, Any] = {"image": image, "image_tail": image, "model_name": "kling-v2-6", "mode": "std"}
    with pytest.raises(InvalidRequest, match="mode pro"):
        await client.image_to_video(**combination)
    with pytest.warns(CapabilityWarning, match="image_tail") as caught, pytest.raises(Exception, match="not supported"):
        await client.submit(ImageToVideo(**combination), strict=False)
    assert Path(caught[0].filename) == Path(__file__)
    assert emulator.ledger.requests["create"] == 1


async def test_cfg_scale_warns_at_the_callers_line(make_client: ClientMaker, image: Path) -> None:
    """A parameter that only warns is sent even with `strict`, and is not listed as a problem of a refusal."""
    async with serve(script(task_answer(), task_answer(task_id="2"))) as stub:
        client = make_client(base_url=stub.base_url)
        with pytest.warns(CapabilityWarning, match="cfg_scale: is not for kling-v2-6") as caught:
            await client.image_to_video(image, cfg_scale=0.5)
        with pytest.warns(CapabilityWarning):
            await client.submit(ImageToVideo(image=image, cfg_scale=0.5))
        assert b'"cfg_scale": 0.5' in stub.seen[0].body.replace(b'":0', b'": 0')
    assert Path(caught[0].filename) == Path(__file__)
    with pytest.raises(InvalidRequest) as refused:
        await client.image_to_video(image, cfg_scale=0.5, duration=7)
    assert [problem.field for problem in refused.value.problems] == ["duration"]


async def test_strict_false_keeps_documented_limits(client: KlingClient, image: Path) -> None:
    """`strict=False` still refuses a value beyond a documented limit."""
    with pytest.raises(InvalidRequest, match="2500"):
        await client.submit(ImageToVideo(image, prompt="x" * 2501), strict=False)


async def test_something_else_than_a_request(client: KlingClient) -> None:
    """`submit` of another object raises an error that names what it accepts."""
    with pytest.raises(InvalidRequest, match="ImageToVideo"):
        await client.submit(io.BytesIO())  # type: ignore[call-overload]  # wrong on purpose


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"polling": 5.0}, "AimedPolling"), ({"polling": "3s"}, "Polling"), ({"durations": "{}"}, "from_json")],
)
async def test_an_invalid_schedule_is_refused_when_the_client_is_created(
    options: dict[str, Any], expected: str
) -> None:
    """An invalid schedule is an error of the constructor, not of the first task."""
    with pytest.raises(ConfigurationError, match=expected):
        KlingClient(api_key="x", **options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"concurrency": 0}, "concurrency must be a whole number from 1 up, got 0"),
        ({"downloads": True}, "downloads must be"),
        ({"retry": 5}, r"retry must be Retry\(\.\.\.\), got 5"),
        ({"queue_deadline": "5"}, "queue_deadline must be seconds, got '5'"),
        ({"queue_deadline": float("nan")}, "queue_deadline must be seconds"),
        ({"queue_deadline": -1}, "queue_deadline must be seconds"),
        ({"on_intent": 5}, "on_intent must be a coroutine function"),
        ({"session": 5}, "session must be an aiohttp.ClientSession"),
        ({"clock": None}, "clock must be a function"),
        ({"retry": "x" * 1000}, "got 'x{59}$"),
    ],
)
def test_an_argument_of_another_kind_is_refused_when_the_client_is_made(options: dict[str, Any], expected: str) -> None:
    """An argument of the wrong type is refused with the expected one; long values are not repeated."""
    with pytest.raises(ConfigurationError, match=expected):
        KlingClient(api_key="x", **options)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Retry(first=0),
        lambda: Polling(factor=0.5),
        lambda: AimedPolling(deadline=-1),
        lambda: Durations.from_json(""),
    ],
)
def test_numbers_that_cannot_be_worked_with(wrong: Callable[[], object]) -> None:
    """Errors of schedules and durations are errors of this package, and ValueErrors too."""
    with pytest.raises(ConfigurationError) as caught:
        wrong()
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("value", [None, "adpot", 5, [], b"adopt"])
@pytest.mark.parametrize("name", ["if_exists", "on_doubt"])
async def test_a_misspelt_choice_is_refused(client: KlingClient, image: Path, name: str, value: Any) -> None:
    """A misspelt option value is refused, rather than taken for the default."""
    with pytest.raises(InvalidRequest, match=f"{name}: must be one of"):
        await client.submit(ImageToVideo(image), **{name: value})


@pytest.mark.parametrize(
    "wrong", [{"endpoint": []}, {"endpoint": None}, {"page_size": 5.0}, {"page_size": []}, {"page_size": 0}]
)
async def test_list_parameters_are_checked(client: KlingClient, wrong: dict[str, Any]) -> None:
    """The parameters of a list are checked before it is fetched."""
    with pytest.raises(InvalidRequest, match="must be"):
        await anext(client.tasks(**{"endpoint": "image2video", **wrong}))


@pytest.mark.parametrize("path", [None, 5, 2.5, [], object()])
async def test_a_target_that_is_no_path_is_refused(
    client: KlingClient, image: Path, emulator: Emulator, path: Any
) -> None:
    """An object that is not a path is refused before anything is sent."""
    with pytest.raises(TargetError, match="expected a path"):
        await client.generate(ImageToVideo(image=image), path)
    with pytest.raises(TargetError, match="expected a path"):
        await client.attach("image2video:1").save(path)
    assert sum(emulator.ledger.requests.values()) == 0
