"""Sound as MP3. Imported only when results are rendered."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av

from .render import RenderingStoppedError


def encode(samples: bytes, rate: int, title: str, target: Path, stopped: Callable[[], bool]) -> None:
    """Encodes a sound.

    Args:
        samples: 16 bits each, mono.
        rate: Samples per second.
        title: Stored as the title in the file.
        target: The file to write.
        stopped: Called before each second; once it returns True, encoding ends.

    Raises:
        RenderingStoppedError: If it was stopped.
    """
    # Without the Xing header, players count the frames, as in the silent file.
    with av.open(str(target), "w", format="mp3", options={"write_xing": "0"}) as container:
        container.metadata["title"] = title
        stream = container.add_stream("libmp3lame", rate=rate)
        stream.layout = "mono"
        stream.bit_rate = 64_000
        for start in range(0, len(samples), 2 * rate):
            if stopped():
                raise RenderingStoppedError
            piece = samples[start : start + 2 * rate]
            frame = av.AudioFrame(format="s16p", layout="mono", samples=len(piece) // 2)
            frame.planes[0].update(piece.ljust(frame.planes[0].buffer_size, b"\0"))
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), start // 2
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
