"""The price of a second of video on each path, and the capability map of the models, made from the rows."""

from collections.abc import Iterator
from typing import Any, Final

from kling_async.protocol.capability import CapabilityMap, Feature
from kling_async.protocol.endpoints.current import table
from kling_async.protocol.endpoints.current.given import Given
from kling_async.protocol.endpoints.current.request import compose
from kling_async.protocol.endpoints.current.table import Row, Shots

# The price page of 2026-09, with which four bills agree; units for each requested second, and of motion control and
# edits for each second of the result. kling-3.0-turbo has sound always.
_PRICES: Final = """
# path                           size   silent native voice video
/text-to-video/kling-3.0-turbo   720p   0.8    ?      ?     ?
/text-to-video/kling-3.0-turbo   1080p  1.0    ?      ?     ?
/image-to-video/kling-3.0-turbo  720p   0.8    ?      ?     ?
/image-to-video/kling-3.0-turbo  1080p  1.0    ?      ?     ?
/text-to-video/kling-3.0         720p   0.6    0.9    ?     ?
/text-to-video/kling-3.0         1080p  0.8    1.2    ?     ?
/text-to-video/kling-3.0         4k     3.0    3.0    ?     ?
/image-to-video/kling-3.0        720p   0.6    0.9    ?     ?
/image-to-video/kling-3.0        1080p  0.8    1.2    ?     ?
/image-to-video/kling-3.0        4k     3.0    3.0    ?     ?
/omni-video/kling-3.0-omni       720p   0.6    0.8    ?     0.9
/omni-video/kling-3.0-omni       1080p  0.8    1.0    ?     1.2
/omni-video/kling-3.0-omni       4k     3.0    3.0    ?     3.0
/motion-control/kling-3.0        720p   0.9    ?      ?     ?
/motion-control/kling-3.0        1080p  1.2    ?      ?     ?
/omni-video/kling-o1             720p   0.6    ?      ?     0.9
/omni-video/kling-o1             1080p  0.8    ?      ?     1.2
/text-to-video/kling-2.6         720p   0.3    ?      ?     ?
/text-to-video/kling-2.6         1080p  0.5    1.0    ?     ?
/image-to-video/kling-2.6        720p   0.3    ?      ?     ?
/image-to-video/kling-2.6        1080p  0.5    1.0    1.2   ?
/motion-control/kling-2.6        720p   0.5    ?      ?     ?
/motion-control/kling-2.6        1080p  0.8    ?      ?     ?
/text-to-video/kling-2.5-turbo   720p   0.3    ?      ?     ?
/text-to-video/kling-2.5-turbo   1080p  0.5    ?      ?     ?
/image-to-video/kling-2.5-turbo  720p   0.3    ?      ?     ?
/image-to-video/kling-2.5-turbo  1080p  0.5    ?      ?     ?
"""


def map_of(family: str) -> "CapabilityMap[Any]":
    """Returns the capability map of a family, whose modes are resolutions.

    Args:
        family: the first segment of the paths.
    """
    rows = [row for row in table.ROWS if row.family == family]
    features = [feature for feature in _FEATURES if any(_cell(row, feature.name, "1080p") != "-" for row in rows)]
    priced_by = tuple(feature.name for feature in features if feature.name in _PRICED_BY)
    lines = "\n".join(line for row in rows for line in _lines(row, features))
    prices = "\n".join(_prices(family, priced_by))
    return CapabilityMap(features, lines, prices, priced_by=priced_by)


def using(given: Given) -> set[str]:
    """Returns the features of a request that change its price per second."""
    used = {"native": given.audio == "native", "voice": bool(given.of("voice")), "video": bool(given.videos)}
    return {name for name, is_used in used.items() if is_used}


def units_by(capabilities: "CapabilityMap[Any]", request: Any) -> Any:
    """Returns the cost of a request in units; None if it depends on the length of a video, not known in advance."""
    given = compose(request)
    resolution, seconds = given.resolution, given.settings.get("duration")
    is_read = isinstance(resolution, str) and (seconds is None or type(seconds) is int)
    if given.row is None or not is_read or given.of("base_video") or given.family == table.MOTION_CONTROL:
        return None
    return capabilities.units(given.row.model, str(resolution), seconds, using=using(given))


_PRICED_BY: Final[tuple[str, ...]] = ("native", "voice", "video")


def _uses(*types: str) -> Any:
    return lambda request: bool(compose(request).of(*types))


_FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(name="native", field="audio", heading="native", used=lambda request: compose(request).audio == "native"),
    Feature(name="last_frame", heading="last frame", used=_uses("last_frame")),
    Feature(name="refer_image", field="refer_images", heading="references", used=_uses("refer_image")),
    Feature(name="element", field="elements", heading="elements", used=_uses("element")),
    Feature(name="voice", field="voices", heading="voices", needs="native", used=_uses("voice")),
    Feature(name="video", field="feature_video", heading="video", used=_uses("feature_video", "base_video")),
    Feature(name="multi_shot", field="prompt", heading="shots", used=lambda request: bool(compose(request).shots)),
)


def _lines(row: Row, features: list[Feature[Any]]) -> Iterator[str]:
    seconds = ",".join(map(str, row.durations)) or "any"
    fps = "24" if row.family == table.OMNI_VIDEO and row.verified else "?"  # seen of their results
    for size in row.resolutions:
        cells = " ".join(_cell(row, feature.name, size) for feature in features)
        yield f"{row.model} {size} {seconds} {cells} {size} {fps}"


def _cell(row: Row, feature: str, size: str) -> str:
    has = {
        "native": "native" in row.audio,
        "video": bool({"feature_video", "base_video"} & {*row.contents}),
        "multi_shot": row.shots is not Shots.NONE,
    }.get(feature, feature in row.contents)
    possible = has and (size == "1080p" or feature not in row.only_1080p)
    return "-" if not possible else "y" if row.verified else "?"


def _prices(family: str, priced_by: tuple[str, ...]) -> Iterator[str]:
    for line in _PRICES.strip().splitlines()[1:]:
        path, size, silent, *others = line.split()
        if path.startswith(f"{family}/"):
            by_feature: dict[str, str] = dict(zip(_PRICED_BY, others, strict=True))
            model = path.removeprefix(f"{family}/")
            yield " ".join([model, size, silent, *(by_feature[name] for name in priced_by)])
