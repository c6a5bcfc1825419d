"""The few syntax elements of H.264 that a still picture needs: no encoder, no compression.

One key frame of uncompressed macroblocks (I_PCM), then frames in which each macroblock repeats the previous picture
(P_Skip). Constrained baseline profile, 4:2:0, BT.709 in limited range. Names and orders are those of ITU-T H.264.
"""

from typing import Final

import attrs

PCM_HEADER: Final = b"\x0d\x00"
"""Precedes the samples of each macroblock but the first: mb_type I_PCM, ue(25), padded to whole bytes."""

_NON_IDR: Final = 0x61
_IDR: Final = 0x65
_SPS: Final = 0x67
_PPS: Final = 0x68
_FRAME_NUM_BITS: Final = 4

# Table A-1: level_idc, macroblocks per second, macroblocks per frame.
_LEVELS: Final = (
    (10, 1_485, 99),
    (13, 11_880, 396),
    (21, 19_800, 792),
    (22, 20_250, 1_620),
    (31, 108_000, 3_600),
    (32, 216_000, 5_120),
    (40, 245_760, 8_192),
    (42, 522_240, 8_704),
    (50, 589_824, 22_080),
    (51, 983_040, 36_864),
    (60, 4_177_920, 139_264),
)


class _Bits:
    """Writes syntax elements, most significant bit first."""

    def __init__(self) -> None:
        self._value = 1  # a leading 1 keeps the zeros that follow it
        self._count = 0

    def u(self, value: int, bits: int) -> "_Bits":
        self._value = self._value << bits | value
        self._count += bits
        return self

    def ue(self, *values: int) -> "_Bits":
        for value in values:
            self.u(value + 1, 2 * (value + 1).bit_length() - 1)
        return self

    def aligned(self) -> bytes:
        """Returns the bytes, the last one padded with zeros."""
        self.u(0, -self._count % 8)
        return self._value.to_bytes(self._count // 8 + 1, "big")[1:]

    def finished(self) -> bytes:
        """Returns the bytes with rbsp_trailing_bits."""
        return self.u(1, 1).aligned()


@attrs.frozen(kw_only=True)
class Format:
    """Size in pixels (even numbers) and frames per second."""

    width: int
    height: int
    fps: int

    @property
    def columns(self) -> int:
        """Macroblocks side by side."""
        return -(-self.width // 16)

    @property
    def rows(self) -> int:
        """Macroblocks one above the other."""
        return -(-self.height // 16)

    @property
    def level(self) -> int:
        """The lowest level_idc that allows the size and the rate, 60 where none does."""
        size = self.columns * self.rows
        longest = max(self.columns, self.rows)
        for level, per_second, per_frame in _LEVELS:
            if size <= per_frame and size * self.fps <= per_second and longest**2 <= 8 * per_frame:
                return level
        return _LEVELS[-1][0]


def sequence_parameters(form: Format) -> bytes:
    """Returns the SPS: profile, level, size with its cropping, colours, rate."""
    bits = _Bits().u(66, 8).u(0b1100_0000, 8).u(form.level, 8)  # baseline, constrained
    bits.ue(0, _FRAME_NUM_BITS - 4, 2, 1)  # id, log2_max_frame_num - 4, pic_order_cnt_type, max_num_ref_frames
    bits.u(0, 1).ue(form.columns - 1, form.rows - 1).u(0b11, 2)  # no gaps; frames only, direct_8x8_inference
    right, bottom = form.columns * 16 - form.width, form.rows * 16 - form.height
    bits.u(1, 1).ue(0, right // 2, 0, bottom // 2)  # cropping, in chroma samples
    bits.u(1, 1)  # vui_parameters_present
    bits.u(1, 1).u(1, 8).u(0, 1)  # square pixels; no overscan
    bits.u(1, 1).u(5, 3).u(0, 1).u(1, 1).u(1, 8).u(1, 8).u(1, 8)  # limited range, BT.709 three times
    bits.u(0, 1)  # chroma location
    bits.u(1, 1).u(1, 32).u(2 * form.fps, 32).u(1, 1)  # timing in fields, fixed rate
    bits.u(0, 1).u(0, 1).u(0, 1)  # neither HRD; pic_struct
    bits.u(1, 1).u(1, 1).ue(0, 0, 16, 16, 0, 1)  # no reordering, one frame buffered
    return _escaped(bytes([_SPS]) + bits.finished())


def picture_parameters() -> bytes:
    """Returns the PPS."""
    bits = _Bits().ue(0, 0).u(0, 1).u(0, 1)  # ids; CAVLC; no bottom field order
    bits.ue(0, 0, 0)  # slice groups - 1, reference indices - 1 of both lists
    bits.u(0, 1).u(0, 2).ue(0, 0, 0)  # no weighting; init_qp, init_qs and chroma offset of 0
    bits.u(1, 1).u(0, 1).u(0, 1)  # deblocking control present; no constrained intra; no redundancy
    return _escaped(bytes([_PPS]) + bits.finished())


def key_frame_start() -> bytes:
    """Returns the NAL unit of the key frame up to the samples of its first macroblock.

    The samples, which have no byte below 16 in limited range, need no escaping, and neither does `PCM_HEADER`.
    """
    bits = _Bits().ue(0, 7, 0).u(0, _FRAME_NUM_BITS).ue(0)  # first macroblock, I, PPS; frame_num; idr_pic_id
    bits.u(0, 1).u(0, 1).ue(0, 1)  # marking; slice_qp_delta 0, deblocking off
    bits.ue(25)  # mb_type I_PCM
    return _escaped(bytes([_IDR]) + bits.aligned())


def key_frame_end() -> bytes:
    """Returns the bytes after the last macroblock of the key frame."""
    return b"\x80"


def repeat_frame(form: Format, number: int) -> bytes:
    """Returns the NAL unit of a frame that repeats the previous one.

    Args:
        form: Size and rate.
        number: Frames since the key frame, from 1.
    """
    bits = _Bits().ue(0, 5, 0).u(number % 2**_FRAME_NUM_BITS, _FRAME_NUM_BITS)  # first macroblock, P, PPS
    bits.u(0, 1).u(0, 1).u(0, 1)  # no override, no reordering, no adaptive marking
    bits.ue(0, 1)  # slice_qp_delta 0, deblocking off
    bits.ue(form.columns * form.rows)  # mb_skip_run
    return _escaped(bytes([_NON_IDR]) + bits.finished())


def _escaped(unit: bytes) -> bytes:
    """Inserts an emulation prevention byte wherever the bytes would look like a start code."""
    escaped = bytearray()
    zeros = 0
    for byte in unit:
        if zeros == 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(escaped)
