"""`generate` goes from a request to a file in one call, and pays once."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from kling_async import (
    CapabilityWarning,
    ClientClosed,
    DownloadError,
    ImageFileMissing,
    ImageToVideo,
    InvalidRequest,
    KlingClient,
    KlingError,
    RequestRefused,
    SaveInProgress,
    TargetError,
    TargetExists,
    TaskFailed,
)
from kling_async.emulator import Emulator, Fault
from kling_async.io.download import Downloads
from tests.shell.conftest import ClientMaker


def names(directory: Path) -> list[str]:
    """The names of the files in a directory."""
    return sorted(path.name for path in directory.iterdir())


async def test_a_second_run_pays_nothing(client: KlingClient, emulator: Emulator, image: Path, tmp_path: Path) -> None:
    """An existing file is an error before anything is sent, which explains how to replace the file."""
    request, target = ImageToVideo(image=image, mode="pro"), tmp_path / "cat.mp4"
    assert await client.generate(request, target) == target
    assert target.stat().st_size > 100_000
    requests = emulator.ledger.requests.total()
    with pytest.raises(TargetExists, match=r"cat\.mp4 exists; overwrite=True replaces it"):
        await client.generate(request, str(target))
    assert (emulator.ledger.requests.total(), emulator.ledger.created) == (requests, 1)
    assert await client.generate(request, target, overwrite=True) == target
    assert emulator.ledger.created == 2
    assert names(tmp_path) == ["cat.mp4"]


@pytest.mark.parametrize("place", ["", ".", "new/", "old", "missing/cat.mp4", "cat.mp4/", "a\0b"])
async def test_a_place_is_proved_before_anything_is_paid(
    client: KlingClient,
    emulator: Emulator,
    image: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    place: str,
) -> None:
    """A path that cannot be created is refused before the first byte, and no file is left there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old").mkdir()
    with pytest.raises(TargetError):
        await client.generate(ImageToVideo(image=image), place)
    assert emulator.ledger.requests.total() == 0
    assert names(tmp_path) == ["old"]


async def test_a_directory_is_refused_with_the_reason(client: KlingClient, image: Path, tmp_path: Path) -> None:
    """A directory is refused, since a file named after its task would not stop a second run from paying again."""
    for place in (tmp_path, f"{tmp_path}/"):
        with pytest.raises(TargetError, match=r"name of a file.*pay again"):
            await client.generate(ImageToVideo(image=image), place)


@pytest.mark.parametrize(
    ("parameters", "options", "error"),
    [
        ({"image": "none.png"}, {}, ImageFileMissing),
        ({"duration": 7}, {}, InvalidRequest),
        ({}, {"watermark": True}, InvalidRequest),
        ({"watermark_info": {"enabled": False}}, {"watermark": True}, InvalidRequest),
        ({"watermark_info": "yes"}, {"watermark": True}, InvalidRequest),
    ],
)
async def test_a_request_is_checked_before_anything_is_paid(
    client: KlingClient,
    emulator: Emulator,
    image: Path,
    tmp_path: Path,
    *,
    parameters: dict[str, Any],
    options: dict[str, Any],
    error: type[KlingError],
) -> None:
    """An invalid request, or one whose result could not be saved, is not sent; the path is free again."""
    given: dict[str, Any] = {"image": image, **parameters}
    with pytest.raises(error):
        await client.generate(ImageToVideo(**given), tmp_path / "cat.mp4", **options)
    assert emulator.ledger.requests.total() == 0
    assert names(tmp_path) == []
    assert (await client.generate(ImageToVideo(image=image), tmp_path / "cat.mp4")).exists()


async def test_the_watermarked_video(client: KlingClient, image: Path, tmp_path: Path) -> None:
    """With `watermark` the watermarked variant is saved."""
    request = ImageToVideo(image=image, watermark_info={"enabled": True}, external_task_id="mine")
    marked = await client.generate(request, tmp_path / "marked.mp4", watermark=True)
    plain = await client.generate(request, tmp_path / "plain.mp4", if_exists="adopt")
    assert marked.read_bytes() != plain.read_bytes()


async def test_one_file_is_paid_for_once_at_a_time(
    client: KlingClient, emulator: Emulator, image: Path, tmp_path: Path
) -> None:
    """Of two concurrent calls for one file, one is refused before it is paid."""
    request = ImageToVideo(image=image)
    outcomes = await asyncio.gather(
        *(client.generate(request, tmp_path / "cat.mp4") for _ in range(2)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)] == [SaveInProgress]
    assert emulator.ledger.created == 1


@pytest.mark.parametrize(
    ("prompt", "fault", "error"),
    [("forbidden", None, TaskFailed), ("a cat", Fault.gateway(503), DownloadError)],
)
async def test_errors_after_acceptance_have_the_reference(
    client: KlingClient,
    emulator: Emulator,
    image: Path,
    tmp_path: Path,
    *,
    prompt: str,
    fault: Fault | None,
    error: type[KlingError],
) -> None:
    """Each error has the reference of the paid task, so that `attach(reference).save(path)` continues."""
    if fault is not None:
        emulator.faults.add(fault, on="file")
    target = tmp_path / "cat.mp4"
    with pytest.raises(error) as caught:
        await client.generate(ImageToVideo(image=image, prompt=prompt), target)
    assert caught.value.reference is not None
    emulator.faults.clear()
    if error is DownloadError:
        assert await client.attach(caught.value.reference).save(target) == target
    assert emulator.ledger.created == 1


async def test_no_error_after_acceptance_is_without_the_reference(
    client: KlingClient, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any error has the reference, even of a kind that has no task."""

    async def broken(*_: object, **__: object) -> Path:
        raise SaveInProgress("another save writes to cat-2.mp4 already")

    monkeypatch.setattr(Downloads, "save", broken)
    with pytest.raises(SaveInProgress) as caught:
        await client.generate(ImageToVideo(image=image), tmp_path / "cat.mp4")
    assert caught.value.reference is not None


async def test_closing_names_the_task(client: KlingClient, image: Path, tmp_path: Path) -> None:
    """A waiter gets the reference of the running task when the client is closed."""
    making = asyncio.ensure_future(client.generate(ImageToVideo(image=image), tmp_path / "cat.mp4"))
    await asyncio.sleep(5)
    await client.close()
    with pytest.raises(ClientClosed) as caught:
        await making
    assert caught.value.reference is not None


async def test_a_cancelled_callers_task_is_not_lost(
    make_client: ClientMaker, emulator: Emulator, image: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After a cancellation, `unsettled` and the log name the task, and the path is free again."""
    client, target = make_client(), tmp_path / "cat.mp4"
    for seconds in (0.0, 20.0):
        making = asyncio.ensure_future(client.generate(ImageToVideo(image=image), target))
        while not emulator.ledger.requests["create"]:  # noqa: ASYNC110  (the emulator has no event for it)
            await asyncio.sleep(0.001)
        await asyncio.sleep(seconds)
        with caplog.at_level(logging.WARNING, "kling_async"):
            making.cancel()
            await asyncio.wait([making])
        assert making.cancelled()
        await asyncio.sleep(1)
        emulator.ledger.requests.clear()
    assert len(client.unsettled) == emulator.ledger.created == 2
    references = [getattr(record, "kling_reference", None) for record in caplog.records]
    assert references[1:] == [client.unsettled[1]]
    assert await client.attach(client.unsettled[1]).save(target) == target


async def test_the_map_s_warnings_point_at_the_caller(client: KlingClient, image: Path, tmp_path: Path) -> None:
    """With `strict=False` the warning names the caller's line."""
    request = ImageToVideo(image=image, image_tail=image)
    with pytest.warns(CapabilityWarning, match="image_tail") as caught, pytest.raises(KlingError):
        await client.generate(request, tmp_path / "cat.mp4", strict=False)
    assert Path(caught[0].filename) == Path(__file__)


async def test_a_refused_model_is_named_beside_the_known(client: KlingClient, emulator: Emulator, image: Path) -> None:
    """An unknown model is sent; if the service refuses it, the error lists the known ones."""
    with pytest.raises(RequestRefused, match=r"no model 'kling-v2\.6' is known here \(did you mean kling-v2-6\?\)"):
        await client.image_to_video(image, model_name="kling-v2.6")
    emulator.faults.add(Fault.error(1201), on="create")
    with pytest.raises(RequestRefused) as caught:
        await client.image_to_video(image)
    assert "known here" not in caught.value.message
