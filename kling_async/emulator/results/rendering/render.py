"""Renders a spec as H.264 in MP4, frame by frame into a file. Imported only when clips are rendered.

A frame is made by sampling the picture at the points that the virtual camera sees.
"""

import math
from array import array
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.filter import Graph
from av.filter.context import FilterContext

from kling_async.emulator.results.result import Loader

from . import caption, frames, stills
from .camera import ease, offset, views
from .sampler import Sampler
from .spec import Brush, RenderSpec
from .stills import Piece

_COLOURS: Final = {"colorprim": "bt709", "transfer": "bt709", "colormatrix": "bt709"}
_ENCODER: Final = {"preset": "ultrafast", "crf": "22"}

_RATE: Final = 48_000
_TONE: Final = 240  # Hz; divides the sample rate
_LOUDNESS: Final = 0.02  # of full scale: -34 dB


class RenderingStoppedError(Exception):
    """The file is no longer needed, because the emulator is closing."""


def render(spec: RenderSpec, load: Loader, target: Path, stopped: Callable[[], bool]) -> None:
    """Renders a clip.

    Args:
        spec: The clip.
        load: Returns the bytes of a stored image.
        target: The file to write.
        stopped: Called before each frame; once it returns True, rendering ends.

    Raises:
        DamagedImageError: If an image cannot be decoded.
        RenderingStoppedError: If it was stopped.
    """
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=spec.fps)
        stream.width, stream.height, stream.pix_fmt = spec.width, spec.height, "yuv420p"
        codec = stream.codec_context
        codec.thread_count = 1
        codec.time_base = Fraction(1, spec.fps)
        codec.gop_size = 2 * spec.fps
        codec.options = _ENCODER | {"x264-params": ":".join(f"{key}={value}" for key, value in _COLOURS.items())}
        sound = container.add_stream("aac", rate=_RATE) if spec.sound else None
        if sound is not None:
            sound.layout = "mono"
            sound.bit_rate = 64_000
            # First, because it is small: the muxer buffers one track until the other has advanced as far.
            for samples in _tone(spec.seconds):
                container.mux(sound.encode(samples))
            container.mux(sound.encode(None))
        for number, frame in enumerate(pictures(spec, load)):
            if stopped():
                raise RenderingStoppedError
            frame.pts, frame.time_base = number, codec.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def pictures(spec: RenderSpec, load: Loader) -> Iterator[av.VideoFrame]:
    """Makes the frames of a clip, in 4:2:0."""
    if spec.tail:
        return _blended(spec, load)
    return _filmed(spec, load)


def _blended(spec: RenderSpec, load: Loader) -> Iterator[av.VideoFrame]:
    """Blends from the image into the tail: the first frame is the image, the last frame is the tail."""
    first, last = (
        frames.filtered(stills.picture(name, load, spec.width, spec.height), "scale=flags=bilinear", "format=yuv420p")
        for name in (spec.image, spec.tail)
    )
    graph = frames.single_threaded()
    entries = [frames.source_like(graph, last), frames.source_like(graph, first)]
    blend = frames.joined(graph, "blend=all_mode=normal:all_opacity=0", *entries)
    once: list[tuple[FilterContext, av.VideoFrame]] = []
    sink = frames.ended(graph, _labelled(graph, blend, spec, once))
    _push_once(once)
    for number in range(spec.frames):
        # libavfilter ignores a change to exactly 1.
        share = min(ease(number / max(spec.frames - 1, 1)), 0.9999)
        blend.process_command("all_opacity", f"{share:.4f}")
        for entry, still in zip(entries, (last, first), strict=True):
            frames.push(entry, still, number)
        yield frames.pulled(sink)


def _filmed(spec: RenderSpec, load: Loader) -> Iterator[av.VideoFrame]:
    """Moves the camera over the image, and the masked pieces over that."""
    size = stills.oversampled(spec.width, spec.height)
    image = stills.picture(spec.image, load, *size) if spec.image else stills.title_card(spec.card, *size)
    image, layers = _layers(spec, load, image)
    graph = frames.single_threaded()
    entry = frames.source_like(graph, image)
    sampler = Sampler(graph, spec, image)
    last = frames.joined(graph, "remap", entry, *sampler.maps)
    once: list[tuple[FilterContext, av.VideoFrame]] = []
    moving: list[tuple[FilterContext, Piece, Brush]] = []
    for each, brush in layers:
        once.append((frames.source_like(graph, each.frame), each.frame))
        last = frames.joined(graph, f"overlay={each.left}:{each.top}:format=yuv444", last, once[-1][0])
        if brush is not None:
            moving.append((last, each, brush))
    last = frames.halved(graph, last, spec.width, spec.height)
    sink = frames.ended(graph, _labelled(graph, last, spec, once))
    _push_once(once)
    matrices = views(spec.camera, spec.aspect, spec.frames)
    for number in range(spec.frames):
        for layer, each, brush in moving:
            x, y = offset(brush.points, ease(number / max(spec.frames - 1, 1)))
            layer.process_command("x", str(each.left + round(x * spec.width)))
            layer.process_command("y", str(each.top + round(y * spec.width)))
        frames.push(entry, image, number)
        sampler.push(matrices[-1 - number if spec.backwards else number], number)
        yield frames.pulled(sink)


def _push_once(stills_of: list[tuple[FilterContext, av.VideoFrame]]) -> None:
    for entry, still in stills_of:
        frames.push(entry, still)
        entry.push(None)  # end of stream: overlays repeat their last frame


def _layers(
    spec: RenderSpec, load: Loader, image: av.VideoFrame
) -> tuple[av.VideoFrame, list[tuple[Piece, Brush | None]]]:
    """Cuts out the masked pieces. The static piece is above the moving ones.

    Returns:
        The image without them, and the pieces from bottom to top, each with the brush that moves it, if any.
    """
    wanted: list[tuple[str, Brush | None]] = [(brush.mask, brush) for brush in spec.brushes]
    wanted += [(spec.static_mask, None)] if spec.static_mask else []
    if not wanted:
        return image, []
    level = stills.scaled(image, spec.width, spec.height)
    masks = [(stills.mask(name, load, spec.width, spec.height), brush) for name, brush in wanted]
    pieces = [(stills.piece(level, each), brush) for each, brush in masks]
    ground = stills.healed(image, [each for each, _ in masks])
    return ground, [(each, brush) for each, brush in pieces if each is not None]


def _labelled(
    graph: Graph, last: FilterContext, spec: RenderSpec, once: list[tuple[FilterContext, av.VideoFrame]]
) -> FilterContext:
    """Lays the labels over the output of `last`, and adds their frames to `once`."""
    labels = [caption.caption(spec.width, spec.height, spec.title, spec.prompt)]
    if spec.watermark:
        labels.append(caption.stamp(spec.width, spec.height))
    for label in labels:
        once.append((frames.source(graph, label.width, label.height, "yuva420p"), stills.overlay(label)))
        last = frames.joined(graph, f"overlay={label.left}:{label.top}:format=yuv420", last, once[-1][0])
    return last


def _tone(seconds: int) -> Iterator[av.AudioFrame]:
    """Makes a quiet tone, a frame per second."""
    period = array("f", (_LOUDNESS * math.sin(2 * math.pi * _TONE * step / _RATE) for step in range(_RATE // _TONE)))
    samples = period.tobytes() * _TONE
    for number in range(seconds):
        frame = av.AudioFrame(format="fltp", layout="mono", samples=_RATE)
        frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.time_base, frame.pts = _RATE, Fraction(1, _RATE), number * _RATE
        yield frame
