from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kling_async.protocol.media import image_header
from kling_async.protocol.media.image_header import ImageFacts, ImageHeader, read_header

from .picture_files import chunk, exif, jpeg, png, segment, tiff


def reading(data: bytes) -> Callable[[int, int], bytes]:
    """A file reader over bytes, as the shell has for files."""
    return lambda start, count: data[start : start + count]


def read(data: bytes) -> ImageHeader:
    """Reads a file."""
    return read_header(reading(data), len(data))


def sides(data: bytes) -> tuple[int, int]:
    """The width and height."""
    header = read(data)
    return header.width, header.height


# ------------------------------------------------------------------------------------------------- JPEG


@pytest.mark.parametrize("frame", [0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF])
@pytest.mark.parametrize("parts", [1, 3, 4])
def test_every_coding_of_jpeg_is_read(frame: int, parts: int) -> None:
    """Baseline, progressive and all other frame headers contain the size; grey, YCbCr and CMYK alike."""
    expected = ImageHeader(format="jpeg", width=640, height=427, complete=True)
    assert expected == read(jpeg(640, 427, frame=frame, parts=parts))


@pytest.mark.parametrize("marker", [0xC4, 0xC8, 0xCC, 0xDB, 0xFE, 0xE2])
def test_other_segments_are_no_frame_headers(marker: int) -> None:
    """Tables, comments and application data are stepped over, even if they look like a frame header."""
    misleading = segment(marker, b"\x08\x00\x07\x00\x09\x03" * 4 + b"\xff\xc0\x00\x11\x08\x00\x05\x00\x06")
    assert sides(jpeg(640, 427, before=misleading)) == (640, 427)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientations_5_to_8_swap_the_sides(order: str, kind: int, orientation: int) -> None:
    """The size is that of the picture as shown, in both byte orders and both number types."""
    expected = (427, 640) if orientation >= 5 else (640, 427)
    assert expected == sides(jpeg(640, 427, before=exif(orientation, order, kind)))


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"II*\0",
        b"XX*\0" + bytes(20),
        b"II*\0\xff\xff\xff\xff" + bytes(20),
        tiff(6)[:12],
        tiff(6)[:30],
        tiff(0),
        tiff(9),
        tiff(6).replace(b"\x12\x01\x03\x00", b"\x12\x01\x07\x00"),
        tiff(6).replace(b"\x12\x01", b"\x13\x01"),
        b"II*\0\x08\0\0\0\xff\xff" + bytes(20),
    ],
)
def test_damaged_exif_means_upright(block: bytes) -> None:
    """Damaged EXIF counts as upright, and does not hide the size."""
    assert sides(jpeg(640, 427, before=segment(0xE1, b"Exif\0\0" + block))) == (640, 427)


def test_exif_is_found_beside_other_application_data() -> None:
    """A separate APP1 segment with XMP before or after EXIF is ignored."""
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")
    assert sides(jpeg(640, 427, before=xmp + exif(6) + xmp)) == (427, 640)
    assert sides(jpeg(640, 427, before=xmp)) == (640, 427)


def test_the_first_exif_counts() -> None:
    """Only the first EXIF block counts, and only in an APP1 segment."""
    assert sides(jpeg(640, 427, before=exif(6) + exif(1))) == (427, 640)
    assert sides(jpeg(640, 427, before=exif(6) + exif(3))) == (427, 640)
    assert sides(jpeg(640, 427, before=segment(0xE2, b"Exif\0\0" + tiff(6)))) == (640, 427)
    assert sides(jpeg(640, 427, before=segment(0xE1, b"Other\0" + tiff(6)))) == (640, 427)


def test_a_thumbnail_is_ignored() -> None:
    """A JPEG inside APP1 determines neither the size nor the end of the picture."""
    thumbnail = jpeg(160, 120)
    whole = jpeg(640, 427, before=exif(1, after=thumbnail))
    assert read(whole) == ImageHeader(format="jpeg", width=640, height=427, complete=True)
    assert not read(whole[:-2]).complete


def test_large_profiles_before_the_size() -> None:
    """Megabytes of segments before the frame header are skipped, mostly without being read."""
    data = jpeg(640, 427, before=segment(0xE1, bytes(65_000)) * 33 + exif(6) + segment(0xE2, bytes(65_000)) * 40)
    counts: list[int] = []

    def counted(start: int, count: int) -> bytes:
        counts.append(count)
        return data[start : start + count]

    assert read_header(counted, len(data)) == ImageHeader(format="jpeg", width=427, height=640, complete=True)
    assert sum(counts) <= len(data) + 10 * 2**16


@pytest.mark.parametrize("place", range(2**16 - 12, 2**16 + 3))
def test_a_header_across_two_reads(place: int) -> None:
    """The size of the blocks in which a file is read does not change the result."""
    before = segment(0xE2, bytes(place - 40)) + b"\xff" * 30 + exif(6)
    assert sides(jpeg(640, 427, before=before)) == (427, 640)
    assert sides(png(451, 300, before=chunk(b"tEXt", bytes(place)) + chunk(b"eXIf", tiff(6)))) == (300, 451)


def test_fill_and_stray_bytes_are_skipped() -> None:
    """Fill bytes before a marker, markers without a length, and garbage between segments are legal or tolerated."""
    before = b"\xff" * 5 + segment(0xFE, b"hi") + b"\xff\x01" + b"garbage" + b"\xff\x00" + b"\xff\xd0" + b"\xff" * 3
    assert sides(jpeg(640, 427, before=before)) == (640, 427)


@pytest.mark.parametrize(
    ("data", "complete"),
    [
        (jpeg(640, 427), True),
        (jpeg(640, 427, end=b""), False),
        (jpeg(640, 427) + b"appended by a phone" * 1000, True),
        (jpeg(640, 427)[:-1], False),
    ],
)
def test_a_jpeg_is_complete_with_its_end_marker(data: bytes, *, complete: bool) -> None:
    """An end marker after the frame header makes a JPEG complete; without one it is cut off."""
    assert complete is read(data).complete


@pytest.mark.parametrize("behind", [0, 100, 100_000, 3 * 2**20])
@pytest.mark.parametrize("place", [0, 2**16 - 1, 2**20 - 1, 2**20, 3 * 2**20])
def test_the_end_is_found_before_appended_data(place: int, behind: int) -> None:
    """An appended video, archive or zeros do not hide the end marker."""
    whole = jpeg(640, 427, end=bytes(place) + b"\xff\xd9" + bytes(behind))
    assert read(whole).complete
    assert not read(whole.replace(b"\xff\xd9", b"\0\0")).complete
    zipped = png(451, 300, before=chunk(b"IDAT", bytes(place)), after=b"PK\x03\x04" + bytes(behind))
    assert read(zipped).complete
    assert not read(zipped.replace(b"IEND", b"\0\0\0\0")).complete


def test_a_thumbnails_end_does_not_count() -> None:
    """A thumbnail's end marker does not make a file complete that is cut off after the size."""
    assert not read(jpeg(640, 427, before=exif(1, after=jpeg(160, 120)), end=b"")).complete


@pytest.mark.parametrize(
    ("data", "expected_text"),
    [
        (b"\xff\xd8", "cut off"),
        (b"\xff\xd8\xff", "cut off"),
        (jpeg(640, 427)[:20], "cut off"),
        (jpeg(640, 427)[:24], "cut off"),
        (jpeg(640, 427)[:28], "cut off"),
        (b"\xff\xd8\xff\xd9\xff\xff\xff\xff", "damaged"),
        (b"\xff\xd8" + segment(0xDA, bytes(8)), "damaged"),
        (b"\xff\xd8\xff\xe0\x00\x01" + bytes(8), "damaged"),
        (b"\xff\xd8" + segment(0xFE, b"") * 100_001, "damaged"),
        (jpeg(0, 427), "0 x 427"),
        (jpeg(640, 0), "640 x 0"),
    ],
)
def test_a_jpeg_without_a_size_is_refused(data: bytes, expected_text: str) -> None:
    """The error about a JPEG that is cut off or damaged before its size names the format and the reason."""
    with pytest.raises(ValueError, match=expected_text) as caught:
        read(data)
    assert "JPEG" in str(caught.value)


def test_a_partly_checked_file_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is too large for a complete check is not reported as cut off."""
    monkeypatch.setattr(image_header, "SEEN_BYTES", 1000)
    with pytest.raises(ValueError, match=r"does not tell its width and height in its first 1000 bytes$"):
        read(jpeg(640, 427, before=segment(0xE2, bytes(60_000))))
    assert read(jpeg(640, 427, end=bytes(5000))).complete
    assert read(png(451, 300, before=chunk(b"IDAT", bytes(5000)))[:-1]).complete
    assert not read(png(451, 300)[:-1]).complete


# -------------------------------------------------------------------------------------------------- PNG


def test_png() -> None:
    """The header chunk contains the size; the end chunk makes it complete, even with bytes appended."""
    expected = ImageHeader(format="png", width=451, height=300, complete=True)
    assert expected == read(png(451, 300))
    assert expected == read(png(451, 300, after=b"appended"))
    assert not read(png(451, 300)[:-1]).complete


def test_a_png_bomb_is_only_measured() -> None:
    """A huge size is returned without decoding; the caller applies the limits."""
    assert sides(png(100_000, 100_000)) == (100_000, 100_000)


@pytest.mark.parametrize(("orientation", "expected"), [(1, (451, 300)), (3, (451, 300)), (6, (300, 451))])
def test_png_exif_orientation(orientation: int, expected: tuple[int, int]) -> None:
    """An eXIf chunk before the data counts, whatever chunks precede it."""
    before = chunk(b"gAMA", bytes(4)) + chunk(b"eXIf", tiff(orientation, ">"))
    assert expected == sides(png(451, 300, before=before))


@pytest.mark.parametrize(
    ("data", "expected_text"),
    [
        (png(451, 300)[:20], "cut off"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"CgBI", bytes(4)) + bytes(40), "IHDR"),
        (png(0, 0), "0 x 0"),
    ],
)
def test_a_png_without_a_size_is_refused(data: bytes, expected_text: str) -> None:
    """The error about a PNG that is cut off or damaged names the format and the reason."""
    with pytest.raises(ValueError, match=expected_text) as caught:
        read(data)
    assert "PNG" in str(caught.value)


def test_exif_after_the_data_of_a_png_is_ignored() -> None:
    """EXIF after the data is ignored, as it would be out of reach in large files."""
    assert sides(png(451, 300, before=chunk(b"IDAT", b"x") + chunk(b"eXIf", tiff(6)))) == (451, 300)


def test_a_png_of_countless_chunks_ends() -> None:
    """The search for EXIF gives up after a hundred thousand chunks."""
    assert sides(png(451, 300, before=chunk(b"tEXt") * 100_001 + chunk(b"eXIf", tiff(6)))) == (451, 300)


# -------------------------------------------------------------------------------------------- other files


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "empty"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "WebP"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "neither a JPEG nor a PNG"),
        (b"GIF89a\x01\0\x01\0", "GIF"),
        (b"GIF87a\x01\0\x01\0", "GIF"),
        (b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0", "BMP"),
        (b"BMW is a car maker", "neither a JPEG nor a PNG"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"MM\0*\0\0\0\x08", "TIFF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0", "HEIC"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "video"),
        (b"\xff\x0a\xfa\x1f", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS\0\1", "Photoshop"),
        (b"%PDF-1.7", "PDF"),
        (b"\xef\xbb\xbf\r\n <!DOCTYPE html><html>", "HTML"),
        (b"<html><body>404</body></html>", "HTML"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"/9j/4AAQSkZJRgABAQAAAQABAAD", "base64"),
        (b"iVBORw0KGgoAAAANSUhEUgAA", "base64"),
        (b"data:image/png;base64,iVBORw0KGgo", "data:"),
        (b"\xff\xd8 is no JPEG", "neither a JPEG nor a PNG"),
        (b"hello", "neither a JPEG nor a PNG"),
        (b"ab\xff\xe0", "neither a JPEG nor a PNG"),
        (b"FORM\x10\0\0\0WEBP", "neither a JPEG nor a PNG"),
        (b"XX\x36\0\0\0\0\0\0\0\x36", "neither a JPEG nor a PNG"),
    ],
)
def test_other_files_are_named(data: bytes, name: str) -> None:
    """The error about another format names it."""
    with pytest.raises(ValueError, match=name):
        read(data)


def test_the_error_about_a_webp_has_a_remedy() -> None:
    """The error names the format, the accepted formats and the remedy."""
    with pytest.raises(ValueError, match=r"^this is a WebP picture; the service takes JPEG and PNG: convert it first$"):
        read(b"RIFF\x10\0\0\0WEBPVP8 ")


# ------------------------------------------------------------------------------------------ hostile files

MEGA = 2**20
_GOOD = [jpeg(640, 427, before=exif(6)), jpeg(640, 427), png(451, 300, before=chunk(b"eXIf", tiff(6)))]


@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=200).map(b"\xff\xd8\xff".__add__),
        st.builds(lambda rest: b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + rest, st.binary(max_size=200)),
        st.builds(
            lambda data, at, junk, cut: (data[: at % len(data)] + junk + data[at % len(data) + len(junk) :])[: cut + 1],
            st.sampled_from(_GOOD),
            st.integers(0, 400),
            st.binary(min_size=1, max_size=8),
            st.integers(0, 400),
        ),
    ),
    st.integers(0, 2**40),
)
@example(b"\xff\xd8\xff\xe1", 3)
def test_only_value_errors(data: bytes, size: int) -> None:
    """Any bytes with any claimed size give a header with a size, or ValueError."""
    try:
        header = read_header(reading(data), size)
    except ValueError as error:
        assert str(error)  # noqa: PT017  (most inputs are refused; a header is as good)
    else:
        assert header.width > 0
        assert header.height > 0


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff" * 10 * MEGA,
        b"\xff\xd8\xff" + b"\x00\xff" * 5 * MEGA,
        b"\xff\xd8\xff\xff" + bytes(10 * MEGA),
        b"\xff\xd8" + segment(0xE1, b"Exif\0\0" + b"II*\0\x08\0\0\0\xff\xff" + b"\x01" * 65_000) * 150,
        png(9, 9, before=chunk(b"tEXt") * (10 * MEGA // 12)),
    ],
)
def test_the_walk_is_bounded(data: bytes) -> None:
    """Reading of hostile files is bounded; it would take minutes if it was not linear."""
    assert ImageFacts.of(reading(data), len(data)).size == len(data)


def test_facts_hold_the_complaint_as_a_value() -> None:
    """`ImageFacts.of` never raises: its complaint is reported with all other problems."""
    data = png(451, 300)
    assert ImageFacts.of(reading(data), len(data)) == ImageFacts(size=len(data), header=read(data))
    assert ImageFacts.of(reading(b""), 0) == ImageFacts(size=0, complaint="the file is empty")
