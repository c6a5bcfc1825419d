"""Boxes of an MP4 file with one H.264 track, its index before its data (ISO/IEC 14496-12 and -15)."""

import struct
from collections.abc import Sequence
from typing import Final

from .h264 import Format

_MATRIX: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_TICKS: Final = 512  # per frame: a media timescale of fps * 512, so that each duration is exact


def header(form: Format, sps: bytes, pps: bytes, sizes: Sequence[int]) -> bytes:
    """Returns all bytes before the samples; only the samples follow, one after the other.

    Args:
        form: Size and rate.
        sps: Sequence parameter set, a NAL unit.
        pps: Picture parameter set, a NAL unit.
        sizes: Bytes of each sample; the first one is the only key frame.
    """
    ftyp = _box(b"ftyp", b"isom", _u32(0x200), b"isomiso2avc1mp41")
    # The chunk's offset depends on the index's length, which does not depend on the offset.
    length = len(ftyp) + len(_moov(form, sps, pps, sizes, 0)) + 8
    mdat = _u32(sum(sizes) + 8) + b"mdat"
    return ftyp + _moov(form, sps, pps, sizes, length) + mdat


def _moov(form: Format, sps: bytes, pps: bytes, sizes: Sequence[int], offset: int) -> bytes:
    timescale, duration = form.fps * _TICKS, len(sizes) * _TICKS
    times = _u32(0, 0, timescale, duration)
    mvhd = _full(b"mvhd", 0, times, _u32(0x10000), b"\x01\0" + bytes(10), _MATRIX, bytes(24), _u32(2))
    tkhd = _full(
        b"tkhd",
        3,  # enabled, in the movie
        _u32(0, 0, 1, 0, duration) + bytes(16) + _MATRIX + _u32(form.width << 16, form.height << 16),
    )
    mdhd = _full(b"mdhd", 0, times, b"\x55\xc4\0\0")  # language "und"
    hdlr = _full(b"hdlr", 0, bytes(4), b"vide", bytes(12), b"VideoHandler\0")
    dinf = _box(b"dinf", _full(b"dref", 0, _u32(1), _full(b"url ", 1)))
    stbl = _box(
        b"stbl",
        _full(b"stsd", 0, _u32(1), _sample_entry(form, sps, pps)),
        _full(b"stts", 0, _u32(1, len(sizes), _TICKS)),
        _full(b"stss", 0, _u32(1, 1)),
        _full(b"stsc", 0, _u32(1, 1, len(sizes), 1)),
        _full(b"stsz", 0, _u32(0, len(sizes), *sizes)),
        _full(b"stco", 0, _u32(1, offset)),
    )
    minf = _box(b"minf", _full(b"vmhd", 1, bytes(8)), dinf, stbl)
    return _box(b"moov", mvhd, _box(b"trak", tkhd, _box(b"mdia", mdhd, hdlr, minf)))


def _sample_entry(form: Format, sps: bytes, pps: bytes) -> bytes:
    avcc = b"\x01" + sps[1:4] + b"\xff\xe1" + struct.pack(">H", len(sps)) + sps
    avcc += b"\x01" + struct.pack(">H", len(pps)) + pps
    return _box(
        b"avc1",
        bytes(6) + struct.pack(">H", 1) + bytes(16),
        struct.pack(">HH", form.width, form.height),
        _u32(0x480000, 0x480000, 0) + struct.pack(">H", 1) + bytes(32) + b"\0\x18\xff\xff",
        _box(b"avcC", avcc),
        _box(b"colr", b"nclx", struct.pack(">HHHB", 1, 1, 1, 0)),  # BT.709, limited range
    )


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return _u32(len(body) + 8) + kind + body


def _full(kind: bytes, flags: int, *parts: bytes) -> bytes:
    return _box(kind, _u32(flags), *parts)


def _u32(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)
