"""Pictures and sounds are recognized by their first bytes, and are complete if they end as their format does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.media.formats import EDGE_BYTES, SUFFIXES, Edges, suffix_of
from kling_async.protocol.media.shape import Shape
from kling_async.protocol.result_kind import ResultKind

from .picture_files import jpeg, png

NOISE = bytes(range(256)) * 4


def riff(kind: bytes, stated: int | None = None, body: bytes = NOISE) -> bytes:
    """A RIFF file, with its size or the `stated` one in its header."""
    return b"RIFF" + (len(body) + 4 if stated is None else stated).to_bytes(4, "little") + kind + body


PNG, JPEG, WEBP, WAV = png(300, 300), jpeg(300, 300), riff(b"WEBP"), riff(b"WAVE")
MP3 = b"\xff\xfb\x90\x64\0\0" + NOISE
MP4 = b"\0\0\0\x10ftypmp42\0\0\0\x08\0\0\0\x08moov\0\0\0\x08mdat"
KINDS = {
    ".png": PNG,
    ".jpg": JPEG,
    ".webp": WEBP,
    ".wav": WAV,
    ".avi": riff(b"AVI "),
    ".gif": b"GIF89a" + NOISE + b";",
    ".mp3": MP3,
    ".aac": b"\xff\xf1\x50\x80\0\0" + NOISE,
    ".ogg": b"OggS\0\2" + NOISE,
    ".flac": b"fLaC\0\0\0\x22" + NOISE,
    ".webm": b"\x1aE\xdf\xa3" + NOISE,
    ".mp4": MP4,
    ".mov": b"\0\0\0\x14ftypqt  " + NOISE,
    ".m4a": b"\0\0\0\x1cftypM4A " + NOISE,
    ".avif": b"\0\0\0\x1cftypavif" + NOISE,
    ".heic": b"\0\0\0\x1cftypheic" + NOISE,
    ".pdf": b"%PDF-1.7\n" + NOISE,
    ".zip": b"PK\x03\x04\x14\0\0\0" + NOISE,
    ".glb": b"glTF\2\0\0\0" + NOISE,
    ".html": b"<!DOCTYPE html><title>x</title>",
    ".xml": b"<?xml version='1.0'?><a/>",
    ".json": b'{"a": 1}',
    ".txt": b"1\n00:00:01,000 --> 00:00:02,000\nHello\n",
}


@pytest.mark.parametrize("suffix", KINDS)
def test_a_file_is_known_by_how_it_begins(suffix: str) -> None:
    """The suffix of a file follows from its first bytes."""
    assert suffix_of(KINDS[suffix][:EDGE_BYTES]) == suffix


@pytest.mark.parametrize(
    ("mark", "suffix"),
    [
        *((mark, ".mp3") for mark in (0xFB, 0xFA, 0xF3, 0xF2, 0xE3, 0xE2)),
        *((mark, ".aac") for mark in (0xF1, 0xF0, 0xF9, 0xF8)),
        *((mark, "") for mark in (0xFF, 0xE0, 0xC3, 0xDB)),
    ],
)
def test_sound_is_known_by_its_first_frame(mark: int, suffix: str) -> None:
    """Sound without a header is known by a frame: MPEG 1, 2 or 2.5 layer III, or AAC, with or without a checksum."""
    assert suffix_of(b"\xff" + bytes([mark]) + NOISE) == suffix


def test_all_suffixes_are_found() -> None:
    """`SUFFIXES` lists every suffix that can be found, so that such files can be searched."""
    assert {*SUFFIXES} == {*KINDS}


@pytest.mark.parametrize("head", [b"\0\0\0\1", b"\xff\x00", riff(b"NEW "), bytes(EDGE_BYTES)])
def test_an_unknown_format_has_no_suffix(head: bytes) -> None:
    """An unknown format has no suffix."""
    assert suffix_of(head) == ""


def shapes(kind: ResultKind, data: bytes, piece: int = 7) -> set[Shape]:
    """The shapes of a file, read from disk or followed piece by piece."""
    follower = kind.follower()
    for place in range(0, len(data), piece):
        follower.take(data[place : place + piece])
    return {follower.shape(), kind.shape_of(len(data), lambda offset, count: data[offset : offset + count])}


IMAGE, AUDIO, ANY = ResultKind.IMAGE, ResultKind.AUDIO, ResultKind.ANY


@pytest.mark.parametrize(
    ("kind", "data", "shape"),
    [
        (IMAGE, PNG, Shape.WHOLE),
        (IMAGE, PNG + bytes(20), Shape.WHOLE),
        (IMAGE, PNG[:-6], Shape.CUT),
        (IMAGE, JPEG, Shape.WHOLE),
        (IMAGE, JPEG + bytes(9), Shape.WHOLE),
        (IMAGE, JPEG[:-1], Shape.CUT),
        (IMAGE, WEBP, Shape.WHOLE),
        (IMAGE, WEBP + b"\0", Shape.WHOLE),
        (IMAGE, WEBP[:-1], Shape.CUT),
        (IMAGE, MP4, Shape.ODD),
        (IMAGE, KINDS[".gif"], Shape.ODD),
        (IMAGE, NOISE, Shape.ODD),
        (AUDIO, MP3, Shape.OPEN),
        (AUDIO, b"ID3\4\0" + NOISE, Shape.OPEN),
        (AUDIO, WAV, Shape.WHOLE),
        (AUDIO, WAV[:-1], Shape.CUT),
        (AUDIO, riff(b"WAVE", 0), Shape.OPEN),
        (AUDIO, riff(b"WAVE", 2**32 - 1), Shape.OPEN),
        (AUDIO, KINDS[".m4a"], Shape.OPEN),
        (AUDIO, PNG, Shape.ODD),
        (AUDIO, MP4, Shape.ODD),
        (ResultKind.VIDEO, MP4, Shape.WHOLE),
        (ResultKind.VIDEO, PNG, Shape.ODD),
        (ANY, MP4, Shape.WHOLE),
        (ANY, MP4[:-9], Shape.CUT),
        (ANY, PNG, Shape.WHOLE),
        (ANY, PNG[:-6], Shape.CUT),
        (ANY, KINDS[".gif"], Shape.WHOLE),
        (ANY, KINDS[".gif"][:-1], Shape.CUT),
        (ANY, NOISE, Shape.OPEN),
        (ANY, KINDS[".txt"], Shape.OPEN),
    ],
)
def test_a_file_is_judged_by_its_kind(kind: ResultKind, data: bytes, shape: Shape) -> None:
    """A file of another format is odd; one of the right format is whole if it ends as the format does."""
    assert shapes(kind, data) == {shape}


@given(st.binary(max_size=200), st.sampled_from([b"", PNG, JPEG, WAV, MP3, MP4]), st.integers(1, 90))
def test_any_bytes_are_judged_alike(tail: bytes, head: bytes, piece: int) -> None:
    """A file has the same shape whether it is read from disk or followed piece by piece."""
    for kind in (IMAGE, AUDIO, ANY):
        assert len(shapes(kind, head + tail, piece)) == 1


@given(st.integers(0, len(PNG) - 1), st.sampled_from([(IMAGE, PNG), (IMAGE, WEBP), (AUDIO, WAV), (ANY, PNG)]))
def test_no_beginning_of_a_file_is_whole(missing: int, what: tuple[ResultKind, bytes]) -> None:
    """A picture or WAV that is cut off anywhere is not whole."""
    kind, data = what
    assert Shape.WHOLE not in shapes(kind, data[: max(len(data) - 1 - missing, 0)])


def test_only_ends_are_read() -> None:
    """Only the beginning and the end of a file are read."""
    read_spans: list[tuple[int, int]] = []

    def read(offset: int, count: int) -> bytes:
        read_spans.append((offset, count))
        return PNG[:EDGE_BYTES] if offset == 0 else PNG[-EDGE_BYTES:]

    assert Edges((".png",)).shape_of(10**9, read) is Shape.WHOLE
    assert read_spans == [(0, EDGE_BYTES), (10**9 - EDGE_BYTES, EDGE_BYTES)]
