"""Whatever a file host sends is saved, unless it is text or incomplete."""

import gzip
import logging
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from kling_async import Audio, DownloadError, Picture, Retry
from tests.repeatable import same_draws
from tests.shell.file_host import FileHost, chunked, finished, rest, video, whole, with_length
from tests.shell.stub import Answer, Seen, answer

Make = Callable[..., bytes]


def box(kind: bytes, content: bytes = b"") -> bytes:
    """A box of an MP4."""
    return (8 + len(content)).to_bytes(4) + kind + content


FTYP, MOOV, MDAT = box(b"ftyp", b"isom\0\0\0\1"), box(b"moov", bytes(40)), box(b"mdat", bytes(range(256)) * 20)
MOVIE = FTYP + MOOV + MDAT
NOISE = same_draws(1).randbytes(5000)

ODD = {
    "bytes behind the last box": MOVIE + b"tail",
    "moof without moov": FTYP + box(b"moof", bytes(20)) + MDAT,
    "styp first": box(b"styp", b"msdh") + box(b"sidx", bytes(20)) + box(b"moof", bytes(20)) + MDAT,
    "meta and idat": FTYP + box(b"meta", box(b"idat", NOISE)),
    "mdat alone": FTYP + MDAT,
    "a box that is too long": MOVIE[:-40],
    "WebM": b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04" + NOISE,
    "GIF": b"GIF89a@\x01\xf0\0\xf7\0\0" + NOISE,
    "AVI": b"RIFF\x24\x10\0\0AVI LIST\xc0\0\0\0hdrlavih" + NOISE,
    "TS": b"".join(b"G@\0\x10" + NOISE[:184] for _ in range(20)),
    "MKV in one cluster": b"\x1aE\xdf\xa3" + NOISE,
    "FLV": b"FLV\x01\x05\0\0\0\x09" + NOISE,
    "PNG": b"\x89PNG\r\n\x1a\n" + NOISE,
    "JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF" + NOISE,
    "MP3": b"ID3\x04\0\0\0\0\0\0" + NOISE,
    "WAV": b"RIFF\x24\x10\0\0WAVEfmt " + NOISE,
    "noise": NOISE,
    "three bytes": b"\0\0\1",
}
PLAIN = {
    "MP4": MOVIE,
    "QuickTime without ftyp": MOOV + MDAT,
    "free first": box(b"free", bytes(8)) + MOVIE,
    "uuid first": box(b"uuid", bytes(24)) + MOVIE,
    "wide first": box(b"wide") + MDAT + MOOV,
    "skip first": box(b"skip") + MOVIE,
    "zeros behind the last box": MOVIE + bytes(1000),
}
PAGE = b"<!DOCTYPE html><title>Sign in</title>" + b"<p>Please sign in.</p>" * 50
TEXTS = {
    "a page": PAGE,
    "a short page": b"<html>",
    "a page behind blanks": b"\r\n  " + PAGE,
    "a page with a mark": b"\xef\xbb\xbf" + PAGE,
    "a page in UTF-16": PAGE.decode().encode("utf-16"),
    "a packed page": gzip.compress(PAGE, mtime=0),
    "JSON": b'{"code": 401, "message": "no"}',
    "XML": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "text": b"upstream connect error",
    "three letters": b"abc",
}


def warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The warnings so far."""
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("name", ODD)
async def test_all_bytes_of_a_length_are_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """A file of the announced length is published, with a warning if it looks incomplete."""
    host = FileHost(with_length(ODD[name]))
    path = await host.save(tmp_path / "x.mp4")
    assert path.read_bytes() == ODD[name]
    assert whole(tmp_path) == ["x.mp4"]
    # A file that ends within a box is requested again; the host confirms its length.
    assert len(host.seen) == 1 + (name in {"a box that is too long", "bytes behind the last box"})
    (warning,) = warnings(caplog)
    assert vars(warning)["kling_event"] == "odd_file"
    assert vars(warning)["kling_reference"] == "image2video:9"


@pytest.mark.parametrize("name", ODD)
async def test_the_same_bytes_twice_are_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """Without a length, a file that looks cut off is fetched again, and published if it is the same."""
    host = FileHost(chunked(ODD[name]))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == ODD[name]
    assert host.ranges == [None, None]
    assert len(warnings(caplog)) == 1
    assert await host.stream() == ODD[name]
    assert len(host.seen) == 4


@pytest.mark.parametrize("name", PLAIN)
async def test_boxes_in_any_order_are_a_video(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """A video with its boxes in any order, or without `ftyp`, is fetched once, without a warning."""
    host = FileHost(chunked(PLAIN[name]))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == PLAIN[name]
    assert await host.stream() == PLAIN[name]
    assert len(host.seen) == 2
    assert warnings(caplog) == []


@pytest.mark.parametrize("status", [200, 201, 203, 226])
@pytest.mark.parametrize("kind", ["text/plain", "text/html; charset=utf-8", "application/json", "application/xml", ""])
async def test_the_type_does_not_matter(tmp_path: Path, kind: str, status: int) -> None:
    """A video is accepted with any content type, and with any status that has a body."""
    host = FileHost(answer(status, MOVIE, Content_Type=kind))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == MOVIE


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("make", [with_length, chunked])
async def test_text_is_no_video(tmp_path: Path, name: str, make: Make) -> None:
    """Text is recognised by its bytes and refused; the error names what it is, and no file is left."""
    with pytest.raises(DownloadError, match=r"sent (a page|XML|JSON|text) \(video/mp4\) instead of a video"):
        await FileHost(make(TEXTS[name])).save(tmp_path / "x.mp4")
    assert whole(tmp_path) == []


async def test_a_page_does_not_cost_what_is_kept(tmp_path: Path) -> None:
    """A page in response to a range request leaves the part unchanged, and the next save resumes it."""
    first = with_length(MOVIE, cut=3000, ETag='"a"')
    with pytest.raises(DownloadError, match="a page"):
        await FileHost(first, with_length(PAGE)).save(tmp_path / "x.mp4")
    assert whole(tmp_path) == ["x.mp4.part", "x.mp4.part.json"]
    host = FileHost(rest(MOVIE))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert host.ranges == ["bytes=3000-"]


async def test_a_part_is_kept_until_its_replacement_arrives(tmp_path: Path) -> None:
    """A part that does not match the host's file is kept until the first new bytes."""
    first = with_length(MOVIE, cut=3000, ETag='"a"')
    other = answer(206, b"", ETag='"b"', Content_Range=f"bytes 3000-{len(MOVIE) - 1}/{len(MOVIE)}")
    with pytest.raises(DownloadError):
        await FileHost(first, other, None).save(tmp_path / "x.mp4", retry=Retry(budget=5))
    assert (tmp_path / "x.mp4.part").read_bytes() == MOVIE[:3000]


async def test_a_part_that_is_text_begins_anew(tmp_path: Path) -> None:
    """A part that is not a video is not resumed."""
    (tmp_path / "x.mp4.part").write_bytes(PAGE)
    (tmp_path / "x.mp4.part.json").write_text('{"video_id": "9/v", "length": 9999, "etag": "\\"a\\""}')
    host = FileHost(rest(MOVIE))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert host.ranges == [None]


async def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    """An empty body is retried, and given up after the budget; no file is left."""
    host = FileHost(with_length(b""), chunked(b""), answer(204), with_length(MOVIE))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == MOVIE
    with pytest.raises(DownloadError, match="sent nothing"):
        await FileHost(with_length(b"")).save(tmp_path / "y.mp4")
    assert whole(tmp_path) == ["x.mp4"]


async def test_a_body_that_ends_too_early_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a length, a file that was cut off is fetched again, and saved whole without a warning."""
    host = FileHost(chunked(MOVIE[:3000]), chunked(MOVIE))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert await FileHost(chunked(MOVIE[:3000]), chunked(MOVIE)).stream() == MOVIE
    assert warnings(caplog) == []


async def test_a_body_that_ends_at_another_place_each_time(tmp_path: Path) -> None:
    """If a body without a length ends elsewhere each time, the save fails."""
    ends = iter(range(3000, 4000))

    def shorter(_: Seen) -> bytes:
        return chunked(MOVIE[: next(ends)])

    host = FileHost(shorter)
    with pytest.raises(DownloadError, match="another place each time"):
        await host.save(tmp_path / "x.mp4")
    assert len(host.seen) == 3
    with pytest.raises(DownloadError, match="ended before the video did"):
        await host.stream()
    assert len(host.seen) == 6


NOWHERE = "http://127.0.0.1:9/f"


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ({"images": (Picture(index=0, url=NOWHERE),)}, "picture"),
        ({"audios": (Audio(id="1", url=NOWHERE),)}, "sound"),
        ({"videos": (video(NOWHERE),)}, "video"),
    ],
)
async def test_a_file_that_never_comes(tmp_path: Path, made: dict[str, Any], named: str) -> None:
    """The error names the kind of the file that could not be fetched."""
    task = attrs.evolve(finished(), **made)
    with pytest.raises(DownloadError, match=f"the {named} could not be fetched"):
        await FileHost(b"").save(tmp_path / "result", task)


async def test_a_second_fetch_resumes_too(tmp_path: Path) -> None:
    """A second full fetch that breaks off is resumed, if its host supports ranges."""
    odd = ODD["noise"]
    host = FileHost(chunked(odd), with_length(odd, cut=3000, ETag='"a"'), rest(odd))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == odd
    assert host.ranges == [None, None, "bytes=3000-"]


async def test_a_stream_that_comes_shorter_again_has_not_ended() -> None:
    """A body that ends before the consumer's position does not show the end of the file."""
    odd = ODD["noise"]
    with pytest.raises(DownloadError, match="ended before"):
        await FileHost(chunked(odd[:3000]), chunked(odd[:2000])).stream()


async def test_the_rest_is_requested_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """If the host supports ranges, only the rest is requested; an empty rest confirms the length."""
    etag = {"ETag": '"a"'}
    host = FileHost(chunked(MOVIE[:3000], **etag), rest(MOVIE))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert host.ranges == [None, "bytes=3000-"]
    assert warnings(caplog) == []
    odd = ODD["noise"]
    host = FileHost(chunked(odd, **etag), answer(416, b"", Content_Range=f"bytes */{len(odd)}"))
    assert (await host.save(tmp_path / "y.mp4")).read_bytes() == odd
    assert host.ranges == [None, f"bytes={len(odd)}-"]
    host = FileHost(chunked(odd, **etag), answer(416, b""), chunked(odd, **etag))
    assert (await host.save(tmp_path / "z.mp4")).read_bytes() == odd
    host = FileHost(chunked(odd, **etag), answer(416, b"", Content_Range=f"bytes */{len(odd)}"))
    assert await host.stream() == odd


async def test_a_length_that_is_too_large_is_corrected(tmp_path: Path) -> None:
    """A host that announced too great a length corrects it on a range request."""
    more = with_length(MOVIE, cut=len(MOVIE), ETag='"a"', Content_Length=str(len(MOVIE) + 1000))
    host = FileHost(more, answer(416, b"", Content_Range=f"bytes */{len(MOVIE)}"))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert len(host.seen) == 2


@pytest.mark.parametrize("more", [rest(MOVIE), with_length(MOVIE)])
@pytest.mark.parametrize("first", [(), (answer(503),), (with_length(PAGE), answer(416))])
async def test_a_length_that_is_too_small_is_corrected(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, more: bytes | Callable[[Seen], bytes], first: tuple[bytes, ...]
) -> None:
    """If the announced bytes end within a box, more is requested until the host confirms its length."""
    short = with_length(MOVIE[:-1000], ETag='"a"')
    host = FileHost(short, *first, more, with_length(MOVIE))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert host.ranges == [None, *[f"bytes={len(MOVIE) - 1000}-"] * (1 + len(first)), None]
    assert await FileHost(short, *first, more, with_length(MOVIE)).stream() == MOVIE
    assert warnings(caplog) == []


async def test_a_new_body_is_checked_by_its_own_length(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The length of an earlier response does not apply to the next body, which may break off, too."""
    short, cut = with_length(MOVIE[:-1000], ETag='"a"'), chunked(MOVIE[:-2000], ETag='"a"')
    host = FileHost(short, rest(MOVIE), cut, rest(MOVIE), with_length(MOVIE))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert host.ranges == [None, f"bytes={len(MOVIE) - 1000}-", None, f"bytes={len(MOVIE) - 2000}-"]
    assert await FileHost(short, rest(MOVIE), cut, with_length(MOVIE)).stream() == MOVIE
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    "more", [with_length(MOVIE[:-1000]), answer(403), answer(503), None, answer(416), chunked(MOVIE)]
)
async def test_a_file_that_ends_within_a_box_is_published_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, more: Answer
) -> None:
    """Without a sign of more bytes, a file of the announced length is published, and fetched once."""
    host = FileHost(with_length(MOVIE[:-1000]), more)
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == MOVIE[:-1000]
    assert host.ranges.count(None) == 1
    assert await FileHost(with_length(MOVIE[:-1000]), more).stream() == MOVIE[:-1000]
    assert len(warnings(caplog)) == 2


async def test_a_whole_file_as_a_part(tmp_path: Path) -> None:
    """If a host sends the whole file as a range of it, surplus bytes are dropped."""
    odd = answer(206, MOVIE, Content_Range=f"bytes 0-{len(MOVIE) - 1}/{len(MOVIE)}")
    assert (await FileHost(odd).save(tmp_path / "x.mp4")).read_bytes() == MOVIE
    parts = [
        answer(206, MOVIE[begin : begin + 2000], ETag='"a"', Content_Range=f"bytes {begin}-{begin}/{len(MOVIE)}")
        for begin in range(0, len(MOVIE), 2000)
    ]
    assert (await FileHost(*parts).save(tmp_path / "y.mp4")).read_bytes() == MOVIE
    first = with_length(MOVIE, cut=3000, ETag='"a"')
    much = answer(206, MOVIE[3000:] + b"more", ETag='"a"', Content_Range=f"bytes 3000-9999/{len(MOVIE)}")
    assert (await FileHost(first, much).save(tmp_path / "z.mp4")).read_bytes() == MOVIE


async def test_a_stream_resumes_without_a_strong_etag() -> None:
    """Without a validator, the bytes already given must be the same in the new body, or the stream ends."""
    host = FileHost(with_length(MOVIE, cut=3000), with_length(MOVIE, cut=2000), with_length(MOVIE))
    assert await host.stream() == MOVIE
    assert host.ranges == [None, None, None]
    with pytest.raises(DownloadError, match="cannot be resumed"):
        await FileHost(with_length(MOVIE, cut=3000), with_length(ODD["noise"])).stream()


# --------------------------------------------------------------------------------------------- packed bodies


VIDEO = FTYP + MOOV + box(b"mdat", NOISE)


@pytest.mark.parametrize("make", [with_length, chunked])
@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate"])
async def test_a_packed_file_is_unpacked(
    tmp_path: Path,
    encoding: str,
    make: Make,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An unrequested compressed body is decompressed, in one pass and without a warning."""
    packed = zlib.compress(VIDEO) if encoding == "deflate" else gzip.compress(VIDEO)
    host = FileHost(make(packed, Content_Encoding=encoding, ETag='"packed"'))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == VIDEO
    assert await host.stream() == VIDEO
    assert len(host.seen) == 2
    assert host.seen[0].headers["accept-encoding"] == "identity"
    assert warnings(caplog) == []


async def test_a_packed_file_that_breaks_off_begins_anew(tmp_path: Path) -> None:
    """A compressed body is never resumed, since its length and ETag are not those of the video."""
    packed = gzip.compress(VIDEO)
    headers: dict[str, Any] = {"Content_Encoding": "gzip", "ETag": '"packed"'}
    host = FileHost(
        with_length(packed, cut=3000, **headers), chunked(packed[:4000], **headers), with_length(packed, **headers)
    )
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == VIDEO
    assert host.ranges == [None, None, None]
    with pytest.raises(DownloadError):
        await FileHost(with_length(packed, cut=3000, **headers)).save(tmp_path / "y.mp4")
    assert '"packed"' not in (tmp_path / "y.mp4.part.json").read_text()


@pytest.mark.parametrize("make", [with_length, chunked])
async def test_a_bomb_is_refused(tmp_path: Path, make: Make) -> None:
    """A body that expands beyond 20:1 is refused before it fills a disk."""
    bomb = gzip.compress(FTYP + bytes(2**26))
    with pytest.raises(DownloadError, match="20 times"):
        await FileHost(make(bomb, Content_Encoding="gzip")).save(tmp_path / "x.mp4")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 21 * len(bomb)


async def test_a_packed_page_is_refused(tmp_path: Path) -> None:
    """Compressed text is refused as text."""
    with pytest.raises(DownloadError, match="a page"):
        await FileHost(with_length(gzip.compress(PAGE), Content_Encoding="gzip")).save(tmp_path / "x.mp4")


async def test_an_unknown_encoding(tmp_path: Path) -> None:
    """The error names an encoding that cannot be decoded."""
    with pytest.raises(DownloadError, match=r"packs the video \(br\)"):
        await FileHost(with_length(MOVIE, Content_Encoding="br")).save(tmp_path / "x.mp4")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "aws-chunked", "none", "utf-8"])
async def test_a_header_about_packing_that_is_wrong(tmp_path: Path, encoding: str) -> None:
    """A plain video is accepted and resumed even if a header claims compression."""
    headers: dict[str, Any] = {"Content_Encoding": encoding}
    host = FileHost(with_length(MOVIE, cut=3000, ETag='"a"', **headers), rest(MOVIE))
    assert (await host.save(tmp_path / "x.mp4")).read_bytes() == MOVIE
    assert host.ranges == [None, "bytes=3000-"]
