"""The capability map of the project's notes on the service, transcribed for the tests only.

Columns: model, mode, seconds, image only, image with image_tail, image_tail alone, masks, camera, sound, voice_list,
cfg_scale, elements and multi_shot, size, frame rate. `y` and `-` are sure, `?` is not.
"""

from collections.abc import Iterator

TABLE = """
kling-v1          | std | 5    | y | y | ? | y | ? | - | - | y | - | 720p  | 30
kling-v1          | std | 10   | y | - | - | - | - | - | - | y | - | 720p  | 30
kling-v1          | pro | 5    | y | ? | ? | y | ? | - | - | y | - | 720p  | 30
kling-v1          | pro | 10   | y | - | - | - | - | - | - | y | - | 720p  | 30
kling-v1-5        | std | 5    | y | - | - | - | - | - | - | y | - | 720p  | 30
kling-v1-5        | std | 10   | y | - | - | - | - | - | - | y | - | 720p  | 30
kling-v1-5        | pro | 5    | y | y | y | y | y | - | - | y | - | 1080p | 30
kling-v1-5        | pro | 10   | y | y | ? | ? | - | - | - | y | - | 1080p | 30
kling-v1-6        | std | 5    | y | - | - | - | - | - | - | y | - | 720p  | 30
kling-v1-6        | std | 10   | y | - | - | - | - | - | - | y | - | 720p  | 30
kling-v1-6        | pro | 5    | y | y | y | - | - | - | - | y | - | 1080p | 30
kling-v1-6        | pro | 10   | y | y | y | - | - | - | - | y | - | 1080p | 30
kling-v2-master   |     | 5    | y | - | - | - | - | - | - | - | - | 720p  | 24
kling-v2-master   |     | 10   | y | - | - | - | - | - | - | - | - | 720p  | 24
kling-v2-1        | std | 5    | y | - | - | - | - | - | - | - | - | 720p  | ?
kling-v2-1        | std | 10   | y | - | - | - | - | - | - | - | - | 720p  | ?
kling-v2-1        | pro | 5    | y | y | ? | - | - | - | - | - | - | 1080p | ?
kling-v2-1        | pro | 10   | y | y | ? | - | - | - | - | - | - | 1080p | ?
kling-v2-1-master | pro | 5    | y | - | - | - | - | - | - | - | - | 1080p | 24
kling-v2-1-master | pro | 10   | y | - | - | - | - | - | - | - | - | 1080p | 24
kling-v2-5-turbo  | std | 5    | y | - | - | - | - | - | - | - | - | 720p  | ?
kling-v2-5-turbo  | std | 10   | y | - | - | - | - | - | - | - | - | 720p  | ?
kling-v2-5-turbo  | pro | 5    | y | ? | - | - | - | - | - | - | - | 1080p | 24
kling-v2-5-turbo  | pro | 10   | y | y | - | - | - | - | - | - | - | 1080p | 24
kling-v2-6        | std | 5    | y | - | - | - | - | - | - | - | - | 720p  | ?
kling-v2-6        | std | 10   | y | - | - | - | - | - | - | - | - | 720p  | ?
kling-v2-6        | pro | 5    | y | y | - | - | - | y | y | - | - | 1080p | 24
kling-v2-6        | pro | 10   | y | y | - | - | - | y | y | - | - | 1080p | 24
kling-v3          | std | 3-15 | y | y | - | ? | - | y | - | ? | y | 720p  | ?
kling-v3          | pro | 3-15 | y | y | - | ? | ? | y | - | ? | y | 1080p | ?
kling-v3          | 4k  | 3-15 | y | y | - | - | - | y | - | ? | y | 4k    | ?
"""

COLUMNS = ("image_only", "tail", "tail_only", "brush", "camera", "sound", "voice_list", "cfg_scale", "elements")


def lines() -> Iterator[tuple[str, str | None, int, dict[str, str], str, int | None]]:
    """One line per model, mode and duration, with its cells by column, its size and its frame rate."""
    for line in TABLE.strip().splitlines():
        model, mode, seconds, *cells, size, fps = (part.strip() for part in line.split("|"))
        first, _, last = seconds.partition("-")
        for second in range(int(first), int(last or first) + 1):
            by_column: dict[str, str] = dict(zip(COLUMNS, cells, strict=True))
            yield model, mode or None, second, by_column, size, None if fps == "?" else int(fps)
