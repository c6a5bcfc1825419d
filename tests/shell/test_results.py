"""Pictures, sound and all other results of a task are saved as files, as videos are."""

import asyncio
import gzip
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from kling_async import (
    Audio,
    DownloadError,
    Element,
    ImageToVideo,
    KlingClient,
    KlingError,
    Picture,
    TargetError,
    TargetExists,
    Task,
    TaskStatus,
    Video,
    Voice,
)
from kling_async.emulator import Emulator
from kling_async.protocol.catalog import endpoint_of
from kling_async.protocol.result_kind import ResultKind
from tests.protocol.picture_files import jpeg, png
from tests.shell.conftest import ClientMaker
from tests.shell.file_host import MOVIE, FileHost, chunked, rest, whole, with_length
from tests.shell.stub import Answer, Seen, serve, task_answer

PNG, JPEG = png(300, 300), jpeg(300, 300)
MP3 = b"\xff\xfb\x90\x64\0\0" + bytes(range(256)) * 20
WAV = b"RIFF" + (len(MP3) + 4).to_bytes(4, "little") + b"WAVE" + MP3
Make = Callable[[str], Task]
"""Makes a task once the host's address is known."""
FILES = {".png": PNG, ".jpg": JPEG, ".mp3": MP3, ".wav": WAV, ".mp4": MOVIE, ".glb": b"glTF\2\0\0\0" + MP3}
PAGE = b"<!DOCTYPE html><title>Sign in</title>"


def by_name(seen: Seen) -> Answer:
    """The file for a URL, chosen by its suffix."""
    return with_length(FILES[seen.path[seen.path.rindex(".") :].partition("?")[0]], Content_Type="x")


def made(**results: Any) -> Task:
    """A finished task."""
    return Task(endpoint="image2video", task_id="9", status=TaskStatus.SUCCEED, **results)


def pictures(base: str, *paths: str) -> tuple[Picture, ...]:
    """Pictures of a host."""
    return tuple(
        Picture(index=index, url=f"{base}{path}", watermark_url=f"{base}/marked{path}")
        for index, path in enumerate(paths)
    )


def one_video(base: str) -> Task:
    """A video at `/f`."""
    return made(videos=(Video(id="5", url=f"{base}/f"),))


def one_picture(base: str) -> Task:
    """A picture at `/f`."""
    return made(images=pictures(base, "/f"))


def one_sound(base: str) -> Task:
    """Sound at `/f`."""
    return made(audios=(Audio(id="5", url=f"{base}/f"),))


async def save(
    host: FileHost,
    target: Path | str,
    make: Make,
    *,
    kind: ResultKind | None = None,
    several: bool | None = None,
    watermark: bool = False,
    overwrite: bool = False,
) -> list[Path]:
    """Reserves a path and saves a task to it."""
    async with host.downloads() as downloads:
        task = make(host.base)
        reserved = downloads.reserve(
            str(target), "9", watermark=watermark, overwrite=overwrite, kind=kind, several=several
        )
        async with reserved as place:
            return await downloads.save(task, place, host.refresh(task), watermark=watermark, overwrite=overwrite)


# ----------------------------------------------------------------------------------------------- the kinds


@pytest.mark.parametrize(
    ("watermark", "names"), [(False, ["9.png", "9-2.jpg"]), (True, ["9-watermark.png", "9-watermark-2.jpg"])]
)
async def test_pictures_go_into_a_directory(tmp_path: Path, *, watermark: bool, names: list[str]) -> None:
    """Each picture has its number; a JPEG has the suffix of one."""
    host = FileHost(by_name)
    saved = await save(
        host, tmp_path, lambda base: made(images=pictures(base, "/a.png", "/b.jpg?x=1")), watermark=watermark
    )
    assert saved == [tmp_path / name for name in names]
    assert [path.read_bytes() for path in saved] == [PNG, JPEG]
    assert whole(tmp_path) == sorted(names)


async def test_a_name_of_a_file_is_kept(tmp_path: Path) -> None:
    """The user's file name is kept, whatever the bytes are; further pictures get numbers."""
    saved = await save(
        FileHost(by_name), tmp_path / "x.png", lambda base: made(images=pictures(base, "/a.jpg", "/b.png"))
    )
    assert saved == [tmp_path / "x.png", tmp_path / "x-2.png"]
    assert [path.read_bytes() for path in saved] == [JPEG, PNG]


def dubbed(base: str) -> Task:
    """A video with its sound."""
    audio = Audio(id="5", url=f"{base}/s.mp3", url_wav=f"{base}/s.wav")
    return made(videos=(Video(id="7", url=f"{base}/v.mp4"),), audios=(audio,))


async def test_a_directory_takes_files_of_all_kinds(tmp_path: Path) -> None:
    """A dubbed video and its sound in both formats are saved; the suffix of a file name selects one."""
    saved = await save(FileHost(by_name), f"{tmp_path}/all/", dubbed)
    assert [(path.name, path.read_bytes()) for path in saved] == [("9.mp4", MOVIE), ("9.mp3", MP3), ("9.wav", WAV)]
    for name, content in (("x.mp4", MOVIE), ("x.wav", WAV), ("x.mp3", MP3), ("x", MOVIE)):
        assert await save(FileHost(by_name), tmp_path / name, dubbed) == [tmp_path / name]
        assert (tmp_path / name).read_bytes() == content
    assert whole(tmp_path) == ["all", "x", "x.mp3", "x.mp4", "x.wav"]


@pytest.mark.parametrize(("name", "content"), [("x.mp3", MP3), ("x.WAV", WAV), ("x", MP3)])
async def test_the_suffix_selects_the_sound(tmp_path: Path, name: str, content: bytes) -> None:
    """A name that ends in `.wav` gets the WAV, any other the MP3."""
    [path] = await save(FileHost(by_name), tmp_path / name, lambda base: attrs.evolve(dubbed(base), videos=()))
    assert path.read_bytes() == content
    assert path.name == name


async def test_a_stream_gives_the_first_file(caplog: pytest.LogCaptureFixture) -> None:
    """A stream works for all kinds, without a warning."""
    for make, content in ((dubbed, MOVIE), (lambda base: made(images=pictures(base, "/a.png", "/b.jpg")), PNG)):
        host = FileHost(by_name)
        async with host.downloads() as downloads:
            task = make(host.base)
            stream = downloads.stream(task, host.refresh(task), watermark=False)
            assert b"".join([chunk async for chunk in stream]) == content
    assert caplog.records == []


# -------------------------------------------------------------------------------------- whole, or not there


@pytest.mark.parametrize(("content", "make"), [(PNG, one_picture), (MP3, one_sound)], ids=["png", "mp3"])
async def test_a_picture_is_resumed(tmp_path: Path, content: bytes, make: Make) -> None:
    """A broken download resumes, even in another process; a part of another picture is not used."""
    half = len(content) // 2
    with pytest.raises(DownloadError):
        await save(FileHost(with_length(content, cut=half, ETag='"a"'), with_length(PAGE)), tmp_path / "x", make)
    host = FileHost(rest(content))
    [path] = await save(host, tmp_path / "x", make)
    assert path.read_bytes() == content
    assert host.ranges == [f"bytes={half}-"]
    (tmp_path / "y.part").write_bytes(content[:half])
    (tmp_path / "y.part.json").write_text('{"video_id": "9/other", "length": null, "etag": "\\"a\\""}')
    host = FileHost(rest(content))
    assert [path.read_bytes() for path in await save(host, tmp_path / "y", make)] == [content]
    assert host.ranges == [None]


@pytest.mark.parametrize(
    ("content", "make", "fetches"),
    [(PNG, one_picture, 1), (WAV, one_sound, 1), (MP3, one_sound, 2)],
    ids=["PNG", "WAV", "MP3"],
)
async def test_without_a_length_the_bytes_decide(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, make: Make, fetches: int
) -> None:
    """Without a length, a format that contains it is fetched once, and others twice; neither gives a warning."""
    host = FileHost(chunked(content))
    [path] = await save(host, tmp_path / "x", make)
    assert path.read_bytes() == content
    assert len(host.seen) == fetches
    assert caplog.records == []


async def test_a_picture_that_was_cut_off_is_fetched_again(tmp_path: Path) -> None:
    """Without a length, a missing end of a picture is noticed."""
    host = FileHost(chunked(PNG[:-20]), chunked(PNG))
    [path] = await save(host, tmp_path / "x.png", one_picture)
    assert path.read_bytes() == PNG


@pytest.mark.parametrize(
    ("make", "looks"),
    [
        (one_picture, "a whole PNG, JPEG or WebP"),
        (one_sound, "MP3, WAV or other sound"),
        (one_video, "a whole MP4"),
    ],
)
async def test_an_odd_file_is_kept_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, make: Make, looks: str
) -> None:
    """A complete file of an unexpected kind is published; the warning names the expected kind."""
    await save(FileHost(with_length(b"\x1aE\xdf\xa3" + bytes(range(256)))), tmp_path / "x", make)
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert f"do not look like {looks};" in warning.getMessage()


async def test_a_page_is_no_picture(tmp_path: Path) -> None:
    """Text in place of a picture or of unknown results is refused; the error names the expected kind."""
    with pytest.raises(DownloadError, match=r"a page .* instead of a picture"):
        await save(FileHost(with_length(PAGE)), tmp_path / "x.png", one_picture)
    with pytest.raises(DownloadError, match=r"a page .* instead of a file"):
        await save(FileHost(with_length(gzip.compress(PAGE))), tmp_path, lambda base: made(raw=[{"url": f"{base}/f"}]))
    assert whole(tmp_path) == []


# --------------------------------------------------------------------------------------- what is not known


def unknown(base: str) -> Task:
    """Two results of an unknown kind."""
    return made(raw={"models": [{"id": "1", "url": f"{base}/m.glb"}, {"id": "2", "url": f"{base}/t.png"}]})


async def test_unknown_files_are_named_by_their_bytes(tmp_path: Path) -> None:
    """In a directory, the bytes determine the suffix of results of an unknown kind."""
    saved = await save(FileHost(by_name), tmp_path, unknown)
    assert [path.name for path in saved] == ["9.glb", "9-2.png"]
    assert [path.read_bytes() for path in saved] == [FILES[".glb"], PNG]
    assert whole(tmp_path) == ["9-2.png", "9.glb"]
    host = FileHost(by_name)
    with pytest.raises(TargetExists, match=r"9\.glb exists"):
        await save(host, tmp_path, unknown)
    with pytest.raises(TargetExists, match=r"9\.glb exists"):
        async with host.downloads() as downloads:
            await downloads.reserve(tmp_path, "9", watermark=False, overwrite=False, kind=ResultKind.ANY).__aenter__()
    assert host.seen == []
    assert len(await save(FileHost(by_name), tmp_path, unknown, overwrite=True)) == 2
    named = await save(FileHost(by_name), tmp_path / "x.bin", unknown)
    assert [path.name for path in named] == ["x.bin", "x-2.bin"]


async def test_an_unknown_file_is_resumed(tmp_path: Path) -> None:
    """During the download the part has no suffix; then the file gets one, and the part is removed."""
    content = FILES[".glb"]
    with pytest.raises(DownloadError):
        await save(FileHost(with_length(content, cut=3000, ETag='"a"'), with_length(PAGE)), tmp_path, unknown)
    assert whole(tmp_path) == ["9.part", "9.part.json"]
    host = FileHost(rest(content), by_name)
    assert [path.name for path in await save(host, tmp_path, unknown)] == ["9.glb", "9-2.png"]
    assert host.ranges[0] == "bytes=3000-"
    assert whole(tmp_path) == ["9-2.png", "9.glb"]


async def test_subtitles_are_a_file_where_anything_is(tmp_path: Path) -> None:
    """Text is accepted if the kind of the result is unknown."""
    host = FileHost(with_length(b"1\n00:00:01,000 --> 00:00:02,000\nHello\n"))
    [path] = await save(host, tmp_path, lambda base: made(raw=[{"url": f"{base}/f"}]))
    assert path.name == "9.txt"


async def test_with_any_kind_everything_is_named_by_its_bytes(tmp_path: Path) -> None:
    """If the kind is unknown, known members of the result do not determine suffixes."""
    host = FileHost(with_length(PNG), with_length(MP3))

    def make(base: str) -> Task:
        return made(videos=(Video(id="7", url=f"{base}/v"),), audios=(Audio(id="5", url=f"{base}/a"),))

    assert [path.name for path in await save(host, tmp_path, make, kind=ResultKind.ANY)] == ["9.png", "9-2.mp3"]


# --------------------------------------------------------------------------------- before anything is paid


@pytest.mark.parametrize(
    ("kind", "name", "watermark"),
    [
        (ResultKind.VIDEO, "9.mp4", False),
        (ResultKind.IMAGE, "9.png", False),
        (ResultKind.IMAGE, "9-watermark.png", True),
        (ResultKind.AUDIO, "9.mp3", False),
    ],
)
async def test_a_name_is_known_before_the_task_ends(
    tmp_path: Path, kind: ResultKind, name: str, *, watermark: bool
) -> None:
    """An existing file is refused when the path is checked, not minutes later."""
    (tmp_path / name).touch()
    async with FileHost(None).downloads() as downloads:
        with pytest.raises(TargetExists):
            async with downloads.reserve(tmp_path, "9", watermark=watermark, overwrite=False, kind=kind):
                pass
        async with downloads.reserve(tmp_path, "9", watermark=watermark, overwrite=True, kind=kind):
            pass


@pytest.mark.parametrize("several", [True, False])
@pytest.mark.parametrize("place", ["old", "new/", "file.png", "new.png"])
async def test_several_files_need_a_directory(tmp_path: Path, place: str, *, several: bool) -> None:
    """A path that does not fit the results is refused without a file being created; one file needs a file name."""
    (tmp_path / "old").mkdir()
    is_directory = place in {"old", "new/"}
    async with FileHost(None).downloads() as downloads:
        reserved = downloads.reserve(f"{tmp_path}/{place}", None, watermark=False, overwrite=False, several=several)
        if several is is_directory:
            async with reserved as target:
                assert target.is_directory is several
        else:
            with pytest.raises(TargetError, match="several files need" if several else "name of a file"):
                await reserved.__aenter__()
            assert whole(tmp_path) == ["old"]


@pytest.mark.parametrize("kind", [ResultKind.VOICE, ResultKind.ELEMENT])
async def test_results_without_files_are_refused_at_once(tmp_path: Path, kind: ResultKind) -> None:
    """A voice or an element has no file, so it is refused before the path is checked."""
    async with FileHost(None).downloads() as downloads:
        with pytest.raises(DownloadError, match=rf"the result \({kind.value}\) is no file"):
            async with downloads.reserve(tmp_path / "x", None, watermark=False, overwrite=False, kind=kind):
                pass
    assert whole(tmp_path) == []


@pytest.mark.parametrize(
    ("results", "member"),
    [({"voices": (Voice(voice_id="1"),)}, "task.voices"), ({"elements": (Element(element_id=1),)}, "task.elements")],
)
async def test_a_task_without_files_names_its_results(tmp_path: Path, results: dict[str, Any], member: str) -> None:
    """Saving a task with voices or elements only fails without waiting."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    host = FileHost(None)
    with pytest.raises(DownloadError, match=member) as caught:
        await save(host, tmp_path, lambda _: made(**results))
    assert caught.value.reference == "image2video:9"
    assert (host.refreshes, loop.time() - began < 1) == (0, True)


# ------------------------------------------------------------------------------------------- through a client


class Service:
    """A service with one finished task of pictures, and their host."""

    def __init__(self) -> None:
        self.base = ""

    def __call__(self, seen: Seen) -> Answer:
        """Answers one request."""
        if not seen.path.startswith("/v1/"):
            return by_name(seen)
        images = [
            {"index": place, "url": f"{self.base}/{place}.png", "watermark_url": f"{self.base}/m{place}.jpg"}
            for place in range(3)
        ]
        return task_answer("succeed", task_id="9", task_result={"images": images}, watermark_info={"enabled": True})


async def test_save_gives_the_first_path_and_save_all_all(make_client: ClientMaker, tmp_path: Path) -> None:
    """Both save every picture; a missing directory is created."""
    service = Service()
    async with serve(service) as stub:
        service.base = stub.base_url
        handle = make_client(base_url=stub.base_url).attach("image2video:9")
        assert await handle.save(f"{tmp_path}/one/") == tmp_path / "one" / "9.png"
        assert whole(tmp_path / "one") == ["9-2.png", "9-3.png", "9.png"]
        names = ["9-watermark.jpg", "9-watermark-2.jpg", "9-watermark-3.jpg"]
        paths = await handle.save_all(tmp_path / "new" / "folder", watermark=True)
        assert paths == [tmp_path / "new" / "folder" / name for name in names]
        with pytest.raises(TargetExists):
            await handle.save_all(tmp_path / "one")
        assert len(await handle.save_all(tmp_path / "one", overwrite=True)) == 3
        assert [chunk async for chunk in handle.stream()] == [PNG]


@pytest.mark.parametrize("place", ["", "file.txt", "file.txt/x", "a\0b"])
async def test_save_all_needs_a_directory(
    client: KlingClient, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A file, or an object that is not a path, is refused before waiting."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("precious")
    handle = await client.image_to_video(image)
    with pytest.raises(TargetError):
        await handle.save_all(place)
    assert not handle.done()
    assert (tmp_path / "file.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("traits", "place", "error"),
    [
        ({"slots_of": lambda _: 2}, "x.mp4", TargetError),
        ({"slots_of": lambda _: 2}, "out/", None),
        ({"result": ResultKind.VOICE}, "x.mp4", DownloadError),
        ({}, "out/", TargetError),
        ({}, "x.mp4", None),
    ],
)
async def test_generate_knows_what_comes_before_it_pays(
    client: KlingClient,
    emulator: Emulator,
    image: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    traits: dict[str, Any],
    place: str,
    error: type[KlingError] | None,
) -> None:
    """A path that does not fit the number of results, or a result without a file, is refused before sending."""
    request = ImageToVideo(image=image)
    endpoint = endpoint_of(request)
    assert endpoint is not None
    changed = attrs.evolve(endpoint, **traits)
    monkeypatch.setattr("kling_async.io.refusals.endpoint_of", lambda _: changed)
    if error is None:
        path = await client.generate(request, f"{tmp_path}/{place}")
        assert path.is_file()
        assert path.parent == (tmp_path / place if place == "out/" else tmp_path)
    else:
        with pytest.raises(error):
            await client.generate(request, f"{tmp_path}/{place}")
        assert emulator.ledger.requests.total() == 0
        assert whole(tmp_path) == []
