import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.content_encoding import FREE_BYTES, PIECE, Decoder, decoder_for, named
from kling_async.protocol.errors import BadResponse, DownloadError
from tests.repeatable import same_draws

VIDEO = same_draws(1).randbytes(100_000)


def raw_deflate(data: bytes) -> bytes:
    """Deflate without the header that RFC 9110 requires, as some servers send it."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("", None),
        ("identity", None),
        ("aws-chunked", None),
        ("utf-8", None),
        ("gzip", "gzip"),
        ("X-GZIP", "gzip"),
        ("identity, gzip", "gzip"),
        ("deflate", "deflate"),
    ],
)
def test_an_encoding_is_named(header: str, name: str | None) -> None:
    """A supported encoding is found by its name; names without a meaning are ignored."""
    assert named(header) == name


@pytest.mark.parametrize("header", ["br", "zstd", "compress", "gzip, gzip", "br, gzip"])
def test_an_unsupported_encoding_is_refused(header: str) -> None:
    """An unsupported encoding, or more than one, is an error that names it."""
    with pytest.raises(DownloadError, match=header):
        named(header)


def unpacked(decoder: Decoder, data: bytes, size: int) -> bytes:
    """The decoded body, passed in pieces of this size."""
    pieces = [data[begin : begin + size] for begin in range(0, len(data), size)]
    return b"".join(out for piece in pieces for out in decoder.take(piece))


def decoder(encoding: str, data: bytes) -> Decoder:
    """The decoder for a body that begins with these bytes."""
    made = decoder_for(encoding, data[:16])
    assert made is not None
    return made


@given(
    st.binary(max_size=2000),
    st.sampled_from([("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)]),
    st.integers(1, 50),
    st.data(),
)
def test_a_body_is_unpacked(data: bytes, packing: tuple[str, object], size: int, draw: st.DataObject) -> None:
    """A body is decoded in pieces of any size, and has ended exactly when it is complete."""
    encoding, pack = packing
    packed = pack(data)  # type: ignore[operator]  # an object to mypy
    whole = decoder(encoding, packed)
    assert unpacked(whole, packed, size) == data
    assert whole.ended
    cut = decoder(encoding, packed)
    unpacked(cut, packed[: draw.draw(st.integers(0, len(packed) - 1))], size)
    assert not cut.ended


@pytest.mark.parametrize("size", [1, 1000, 10**6])
def test_gzip_members_and_padding(size: int) -> None:
    """gzip may have several members, and some hosts add padding with zeros."""
    packed = gzip.compress(VIDEO) + gzip.compress(b"more") + bytes(100)
    both = decoder("gzip", packed)
    assert unpacked(both, packed, 10**6 if size == 1 else size) == VIDEO + b"more"
    assert both.ended


def test_a_decompression_bomb_is_refused() -> None:
    """At most 20 bytes are decoded for each received one, and at most one piece at once."""
    bomb = gzip.compress(bytes(2**24))
    largest, total = 0, 0
    pieces = decoder("gzip", bomb).take(bomb)
    with pytest.raises(DownloadError, match="20 times"):  # noqa: PT012  (the pieces before are measured)
        for piece in pieces:
            largest, total = max(largest, len(piece)), total + len(piece)
    assert largest <= PIECE
    assert total <= 20 * len(bomb) + FREE_BYTES


def test_a_short_file_is_no_bomb() -> None:
    """The ratio is not limited for the first FREE_BYTES."""
    packed = gzip.compress(bytes(FREE_BYTES))
    assert unpacked(decoder("gzip", packed), packed, 10) == bytes(FREE_BYTES)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_wrong_header_is_ignored(encoding: str) -> None:
    """A plain video with a wrong Content-Encoding header is left unchanged."""
    assert decoder_for(encoding, b"\0\0\0\x18ftypmp42\0\0\0\0") is None
    assert decoder_for(None, gzip.compress(VIDEO)) is None


def test_a_damaged_body_is_fetched_again() -> None:
    """A body that cannot be decoded is fetched again."""
    packed = gzip.compress(VIDEO)
    spoilt = packed[:-5] + bytes([packed[-5] ^ 1]) + packed[-4:]
    with pytest.raises(BadResponse):
        unpacked(decoder("gzip", spoilt), spoilt, 100)
