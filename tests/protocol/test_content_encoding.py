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
    """Without the header that RFC 9110 requires, as some servers send it."""
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
    """Names that mean nothing leave the bytes as they are."""
    assert named(header) == name


@pytest.mark.parametrize("header", ["br", "zstd", "compress", "gzip, gzip", "br, gzip"])
def test_what_cannot_be_unpacked_is_refused(header: str) -> None:
    """An encoding that is not known here, or more than one, is an error that names it."""
    with pytest.raises(DownloadError, match=header):
        named(header)


def unpacked(decoder: Decoder, data: bytes, size: int) -> bytes:
    """What comes out of pieces of that size."""
    pieces = [data[begin : begin + size] for begin in range(0, len(data), size)]
    return b"".join(out for piece in pieces for out in decoder.take(piece))


def decoder(encoding: str, data: bytes) -> Decoder:
    """For a body that begins so."""
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
    """In pieces of any size; and it has ended exactly when all of it came."""
    encoding, pack = packing
    packed = pack(data)  # type: ignore[operator]  # an object to mypy
    whole = decoder(encoding, packed)
    assert unpacked(whole, packed, size) == data
    assert whole.ended
    cut = decoder(encoding, packed)
    unpacked(cut, packed[: draw.draw(st.integers(0, len(packed) - 1))], size)
    assert not cut.ended


@pytest.mark.parametrize("size", [1, 1000, 10**6])
def test_several_behind_each_other_and_padding(size: int) -> None:
    """gzip may be several behind each other, and some hosts fill up with zeros."""
    packed = gzip.compress(VIDEO) + gzip.compress(b"more") + bytes(100)
    both = decoder("gzip", packed)
    assert unpacked(both, packed, 10**6 if size == 1 else size) == VIDEO + b"more"
    assert both.ended


def test_what_grows_beyond_bounds_is_refused() -> None:
    """At most 20 bytes come out of each that went in, and no more than a piece at once, however many are packed."""
    bomb = gzip.compress(bytes(2**24))
    largest, total = 0, 0
    pieces = decoder("gzip", bomb).take(bomb)
    with pytest.raises(DownloadError, match="20 times"):  # noqa: PT012  (what came before is measured)
        for piece in pieces:
            largest, total = max(largest, len(piece)), total + len(piece)
    assert largest <= PIECE
    assert total <= 20 * len(bomb) + FREE_BYTES


def test_a_little_that_grows_is_no_bomb() -> None:
    """A short file may shrink as it likes."""
    packed = gzip.compress(bytes(FREE_BYTES))
    assert unpacked(decoder("gzip", packed), packed, 10) == bytes(FREE_BYTES)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_header_that_is_wrong(encoding: str) -> None:
    """A plain video with the header of a packed one is left unchanged."""
    assert decoder_for(encoding, b"\0\0\0\x18ftypmp42\0\0\0\0") is None
    assert decoder_for(None, gzip.compress(VIDEO)) is None


def test_a_packed_body_that_is_spoilt_is_no_answer() -> None:
    """What cannot be unpacked is fetched again."""
    packed = gzip.compress(VIDEO)
    spoilt = packed[:-5] + bytes([packed[-5] ^ 1]) + packed[-4:]
    with pytest.raises(BadResponse):
        unpacked(decoder("gzip", spoilt), spoilt, 100)
