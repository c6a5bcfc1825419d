"""Small picture files, written byte by byte."""

import struct


def segment(marker: int, payload: bytes) -> bytes:
    """One JPEG segment with its length."""
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2) + payload


def tiff(orientation: int, order: str = "<", kind: int = 3) -> bytes:
    """EXIF's TIFF block with another tag and then the orientation (kind 3: SHORT, 4: LONG)."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    value = struct.pack(order + ("HH" if kind == 3 else "I"), *((orientation, 0) if kind == 3 else (orientation,)))
    entries = struct.pack(order + "HHII", 0x0100, 3, 1, 7) + struct.pack(order + "HHI", 0x0112, kind, 1) + value
    return head + struct.pack(order + "H", 2) + entries + bytes(4)


def exif(orientation: int, order: str = "<", kind: int = 3, after: bytes = b"") -> bytes:
    """An APP1 segment with an orientation."""
    return segment(0xE1, b"Exif\0\0" + tiff(orientation, order, kind) + after)


def jpeg(
    width: int, height: int, *, before: bytes = b"", frame: int = 0xC0, parts: int = 3, end: bytes = b"\xff\xd9"
) -> bytes:
    """A JPEG with `before` ahead of its frame header; some scan bytes, no decodable picture."""
    components = b"".join(bytes([number, 0x11, 0]) for number in range(1, parts + 1))
    frame_header = segment(frame, struct.pack(">BHHB", 8, height, width, parts) + components)
    scan = segment(0xDA, bytes([1, 1, 0, 0, 63, 0])) + b"\x12\x34\xff\x00\x56" * 20
    return b"\xff\xd8" + segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\0\0") + before + frame_header + scan + end


def chunk(name: bytes, payload: bytes = b"") -> bytes:
    """One PNG chunk; only the checksum of IEND is right, the only one that is checked."""
    return struct.pack(">I", len(payload)) + name + payload + (b"\xaeB\x60\x82" if name == b"IEND" else bytes(4))


def png(width: int, height: int, *, before: bytes = b"", after: bytes = b"") -> bytes:
    """A PNG with `before` ahead of its picture data and `after` behind its end."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", b"\x78\x9c" * 30) + chunk(b"IEND") + after
