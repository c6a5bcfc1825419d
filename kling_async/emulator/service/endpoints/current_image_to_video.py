"""Image to video of the current generation: a clip that begins with a picture, and may end with another."""

from typing import Final

from kling_async.emulator.service.current.creates import endpoint
from kling_async.emulator.service.current.rows import Row, rates

_PATH: Final = "/image-to-video"

# Prices of 2026-09, in units per second. A clip of 3.0-turbo of 3 s in 720p was there after 28 s, one of 2.5-turbo of
# 5 s after 50 s; for the others the times of the legacy generation are taken.
ENDPOINTS: Final = (
    endpoint(
        _PATH,
        Row(
            model="kling-3.0-turbo",
            takes=frozenset({"prompt", "first_frame"}),
            needs=("first_frame",),
            always_heard=True,
            reads_shots=True,
            prompt_limit=3072,  # the page says 2500, that of text to video 3072
            silent=rates("0.8", "1.0"),
            seconds=51.0,
        ),
    ),
)
