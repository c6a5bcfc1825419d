import base64
import struct

import pytest

from kling_async.emulator.results.image_header import orientation
from kling_async.emulator.service.checks.pictures import read_image
from kling_async.emulator.service.errors import Refusal

from .conftest import png

EXIF_HEAD = {"II": b"Exif\0\0II*\0\x08\0\0\0", "MM": b"Exif\0\0MM\0*\0\0\0\x08"}


def segment(marker: int, data: bytes) -> bytes:
    """Returns a JPEG segment."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def exif(orientation: int, order: str = "II") -> bytes:
    """Returns an APP1 segment with two tags, the second of which is the orientation."""
    sign = "<" if order == "II" else ">"
    tags = struct.pack(sign + "HHIHH", 0x010F, 3, 1, 7, 0) + struct.pack(sign + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return segment(0xE1, EXIF_HEAD[order] + struct.pack(sign + "H", 2) + tags + bytes(4))


def jpeg(*segments: bytes, frame: int = 0xC0) -> bytes:
    """Returns the beginning of a JPEG of 800 x 450 pixels."""
    size = struct.pack(">BHHB", 8, 450, 800, 3)
    return b"\xff\xd8" + b"".join(segments) + segment(frame, size + bytes(9)) + segment(0xDA, bytes(10)) + b"\xff\xd9"


def look(data: bytes) -> tuple[str, int, int, int]:
    """Returns the facts about an image."""
    image = read_image(base64.b64encode(data).decode(), "image")
    return image.format, image.width, image.height, image.size


@pytest.mark.parametrize(
    "data",
    [
        jpeg(),
        jpeg(frame=0xC2),
        jpeg(segment(0xE0, b"JFIF\0"), segment(0xC4, bytes(20))),
        jpeg(b"\xff\xff\xff", segment(0xFE, b"\xff\xc0 in a comment")),
        jpeg(b"\xff\x01", exif(1), exif(3)),
        jpeg(segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")),
        jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")),
        jpeg(*[segment(0xE2, bytes(60_000))] * 12),
    ],
)
def test_the_size_of_a_jpeg_is_found(data: bytes) -> None:
    """The frame header is found behind any number of other segments, even with broken EXIF."""
    assert look(data) == ("jpeg", 800, 450, len(data))


@pytest.mark.parametrize("order", ["II", "MM"])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_turned_jpeg_is_as_displayed(orientation: int, order: str) -> None:
    """An orientation of 5 to 8 swaps width and height."""
    assert look(jpeg(exif(orientation, order)))[1:3] == (450, 800)


@pytest.mark.parametrize(
    ("data", "turn"),
    [
        (jpeg(b"\xff\xff\xff", b"\xff\x01", segment(0xFE, b"comment"), exif(6)), 6),
        (jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0"), exif(3, "MM")), 3),
        (jpeg(exif(9)), 1),
        (jpeg(segment(0xE1, b"Exif\0\0??")), 1),
        (jpeg(segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0")), 1),
        (jpeg()[:4], 1),
        (png(), 1),
    ],
)
def test_an_orientation_is_found(data: bytes, turn: int) -> None:
    """The first valid orientation counts; without a valid one the image is upright."""
    assert orientation(data) == turn


def test_the_size_of_a_png_is_found() -> None:
    """Width and height are those of IHDR."""
    assert look(png(451, 300)) == ("png", 451, 300, len(png(451, 300)))


@pytest.mark.parametrize(
    "data",
    [
        jpeg()[:10],
        jpeg().replace(struct.pack(">HH", 450, 800), bytes(4)),
        b"\xff\xd8\xff\xda" + bytes(20),
        b"\xff\xd8\xff\xd9" + bytes(20),
        b"\xff\xd8\xff\xe0\0\0" + bytes(20),
        b"\xff\xd8\xff\xe0\0\2" + bytes(20),
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + bytes(30),
        png()[:16] + bytes(8) + png()[24:],
    ],
)
def test_a_damaged_image_is_refused(data: bytes) -> None:
    """A file that begins like an image but has no size is refused, at any truncation."""
    with pytest.raises(Refusal, match="damaged"):
        look(data)


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(20), b"RIFF\0\0\0\0WEBP", b"<html>", b"%PDF"])
def test_another_file_is_refused(data: bytes) -> None:
    """Only JPEG and PNG are accepted."""
    with pytest.raises(Refusal, match="only jpg, jpeg and png"):
        look(data)


@pytest.mark.parametrize(
    "text",
    [
        "data:image/png;base64,AAAA",
        "AAA",
        "AA=A",
        "AAA\n",
        "AAAA\n",
        "-_-_",
        "ÄÄÄÄ",
        "====",
        "A" * 262_142 + "==" + "AAAA",
        "A" * 262_143 + "=" + "AAAA",
    ],
)
def test_invalid_base64_is_refused_as_recorded(text: str) -> None:
    """The alphabet is the standard one, padded at the end only, without line breaks or prefix."""
    with pytest.raises(Refusal) as caught:
        read_image(text, "image")

    assert caught.value.message == "File is not in a valid base64 format"
