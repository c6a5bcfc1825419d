"""Operations on frames of PyAV: creation, filtering, decoding. Imported only when clips are rendered.

PyAV's wheels bundle libx264, so a process that imports this module runs GPL code; PyAV itself is BSD.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import av
from av.error import FFmpegError
from av.filter import Graph
from av.filter.context import FilterContext

from kling_async.emulator.results import image_header

_TICK: Final = Fraction(1, 1000)

# Filters that turn a picture upright, by EXIF orientation.
_UPRIGHT: Final[dict[int, tuple[str, ...]]] = {
    1: (),
    2: ("hflip",),
    3: ("hflip", "vflip"),
    4: ("vflip",),
    5: ("transpose=cclock_flip",),
    6: ("transpose=clock",),
    7: ("transpose=clock_flip",),
    8: ("transpose=cclock",),
}


class DamagedImageError(ValueError):
    """The file of an image cannot be decoded completely."""


def decode(data: bytes) -> av.VideoFrame:
    """Decodes a PNG or JPEG, upright. No other decoder and no demultiplexer processes the bytes.

    Raises:
        DamagedImageError: If it is damaged or incomplete.
    """
    codec = av.CodecContext.create("png" if data.startswith(b"\x89PNG") else "mjpeg", "r")
    codec.thread_count = 1
    codec.options = {"err_detect": "explode", "max_pixels": str(image_header.MAX_PIXELS)}
    assert isinstance(codec, av.VideoCodecContext)  # noqa: S101 - both are
    try:
        first, *_ = codec.decode(av.Packet(data)) or codec.decode(None)
    except (FFmpegError, ValueError) as error:  # the latter if it contains no picture
        raise DamagedImageError(str(error)) from error
    turns = _UPRIGHT[image_header.orientation(data)]
    return filtered(first, *turns) if turns else first


def made(width: int, height: int, form: str, rows: Sequence[bytes]) -> av.VideoFrame:
    """Makes a frame of a format with one plane.

    Args:
        width: Pixels.
        height: Pixels.
        form: The format.
        rows: The bytes of each row.
    """
    frame = av.VideoFrame(width, height, form)
    plane = frame.planes[0]
    plane.update(b"".join(row.ljust(plane.line_size, b"\0") for row in rows).ljust(plane.buffer_size, b"\0"))
    return frame


def rows(frame: av.VideoFrame, bytes_per_pixel: int = 1) -> list[bytes]:
    """Returns the rows of a frame's first plane."""
    plane = frame.planes[0]
    data, length = bytes(plane), plane.width * bytes_per_pixel
    return [data[start : start + length] for start in range(0, plane.height * plane.line_size, plane.line_size)]


def source(graph: Graph, width: int, height: int, form: str, colours: str = "") -> FilterContext:
    """Adds the source of a chain, to which frames are pushed."""
    return graph.add("buffer", f"video_size={width}x{height}:pix_fmt={form}:time_base={_TICK}{colours}")


def source_like(graph: Graph, frame: av.VideoFrame) -> FilterContext:
    """Adds the source of a chain for frames like a given one."""
    # Without its colours, the graph would treat the frame as one whose properties have changed.
    colours = f":colorspace={int(frame.colorspace)}:range={int(frame.color_range)}"
    return source(graph, frame.width, frame.height, frame.format.name, colours)


def chained(graph: Graph, first: FilterContext, *filters: str, output: int = 0) -> FilterContext:
    """Appends filters, each written as "name=arguments", and returns the last one."""
    last = first
    for text in filters:
        name, _, arguments = text.partition("=")
        following = graph.add(name, arguments)
        last.link_to(following, output)
        last, output = following, 0
    return last


def joined(graph: Graph, text: str, *inputs: FilterContext) -> FilterContext:
    """Appends a filter with several inputs."""
    name, _, arguments = text.partition("=")
    following = graph.add(name, arguments)
    for number, each in enumerate(inputs):
        each.link_to(following, 0, number)
    return following


def halved(graph: Graph, last: FilterContext, width: int, height: int) -> FilterContext:
    """Converts from 4:4:4 to 4:2:0, several times faster than libswscale, which processes all planes."""
    split = chained(graph, last, "extractplanes=y+u+v")
    whole = graph.add("mergeplanes", "map1p=0:map1s=1:map2p=0:map2s=2:format=yuv420p")
    split.link_to(whole, 0, 0)
    for plane in (1, 2):
        small = chained(graph, split, f"scale={width // 2}:{height // 2}:flags=area", output=plane)
        small.link_to(whole, 0, plane)
    return whole


def ended(graph: Graph, last: FilterContext) -> FilterContext:
    """Finishes a graph, and returns the sink from which frames are pulled."""
    sink = graph.add("buffersink")
    last.link_to(sink)
    graph.configure()
    return sink


def single_threaded() -> Graph:
    """Makes a graph that uses only the calling thread, because the number of workers is limited."""
    graph = Graph()
    graph.threads = 1
    return graph


def push(entry: FilterContext, frame: av.VideoFrame, number: int = 0) -> None:
    """Pushes a frame with a number."""
    frame.pts, frame.time_base = number, _TICK
    entry.push(frame)


def pulled(sink: FilterContext) -> av.VideoFrame:
    """Pulls a frame."""
    frame = sink.pull()
    assert isinstance(frame, av.VideoFrame)  # noqa: S101 - the graphs here have no sound
    return frame


def filtered(frame: av.VideoFrame, *filters: str) -> av.VideoFrame:
    """Sends one frame through filters."""
    graph = single_threaded()
    entry = source_like(graph, frame)
    sink = ended(graph, chained(graph, entry, *filters))
    push(entry, frame)
    return pulled(sink)


def merged(filters: str, *frames: av.VideoFrame) -> av.VideoFrame:
    """Sends one frame per input through a filter with several inputs."""
    graph = single_threaded()
    entries = [source_like(graph, frame) for frame in frames]
    sink = ended(graph, joined(graph, filters, *entries))
    for entry, frame in zip(entries, frames, strict=True):
        push(entry, frame)
    return pulled(sink)
