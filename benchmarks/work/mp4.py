"""A valid MP4 file of a given size."""

from kling_async.emulator.results.placeholder.video import VideoSpec, render


def mp4(size: int) -> bytes:
    """Returns a small playable video, padded to the size by an empty box."""
    video = render(VideoSpec(width=64, height=36, fps=24, seconds=5, label="1"))
    padding = size - len(video)
    return video + padding.to_bytes(4) + b"free" + bytes(padding - 8)
