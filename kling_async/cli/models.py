"""`kling-async models`: what each model can do, and what it costs."""

from argparse import Namespace
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from kling_async.cli import report
from kling_async.cli.exits import Exit, UsageError
from kling_async.cli.output import Output
from kling_async.cli.table import columns_of_terminal, table
from kling_async.protocol.capability import Capability, Cell
from kling_async.protocol.endpoint import USD_PER_UNIT as PRICES
from kling_async.protocol.endpoint import Pool
from kling_async.protocol.endpoints.videos.image_to_video import CAPABILITIES

USD_PER_UNIT: Final = PRICES[Pool.VIDEO]
SHOWN: Final = {feature.name: feature.heading for feature in CAPABILITIES.features if feature.heading}
HEADERS: Final = ("model", "mode", "seconds", *SHOWN.values(), "size", "fps", "units/s", "$/s")

LEGEND: Final = f"""\
y: works, -: does not, ?: not known (and not refused); camera: of type "simple"; presets: of the other types
units/s and $/s: silent / with sound / with voices; 1 unit is ${USD_PER_UNIT} at list price"""


def run(options: Namespace, output: Output) -> int:
    """Does it; tells the exit code."""
    rows = [row for row in CAPABILITIES.rows if options.model in {None, row.model_name}]
    if not rows:
        raise UsageError(CAPABILITIES.unknown_model(options.model) or "the map is empty")
    text = table(HEADERS, [_cells(group) for group in grouped(rows)], columns_of_terminal())
    names = dict.fromkeys(row.model_name for row in rows)
    output.result(
        f"{text}\n\n{LEGEND}",
        "\n".join(names),
        {"models": [data(row) for row in rows], "usd_per_unit": float(USD_PER_UNIT)},
    )
    return Exit.OK


def grouped(rows: Sequence[Capability]) -> list[list[Capability]]:
    """Neighbours that differ in their seconds alone, together."""
    groups: list[list[Capability]] = []
    for row in rows:
        if groups and attrs.evolve(groups[-1][0], duration=row.duration) == row:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def seconds(durations: Sequence[int]) -> str:
    """`5`, `5, 10` or `3-15`."""
    first, last = durations[0], durations[-1]
    if len(durations) > 2 and list(durations) == list(range(first, last + 1)):
        return f"{first}-{last}"
    return ", ".join(map(str, durations))


def per_second(row: Capability) -> list[Decimal | None]:
    """Units for a second: silent, with sound, with voices."""
    kinds = ((False, False), (True, False), (True, True))
    totals = [
        CAPABILITIES.units(row.model_name, row.mode, row.duration, sound=sound, voice=voice) for sound, voice in kinds
    ]
    return [None if total is None else total / row.duration for total in totals]


def data(row: Capability) -> dict[str, Any]:
    """For programs: null is not known."""
    silent, sound, voices = (_times(price, row.duration) for price in per_second(row))
    known = {Cell.YES: True, Cell.NO: False, Cell.UNKNOWN: None}
    return {
        "model_name": row.model_name,
        "mode": row.mode,
        "duration": row.duration,
        **{name: known[cell] for name, cell in row.cells.items()},
        "size": row.size,
        "fps": row.fps,
        "units": silent,
        "units_with_sound": sound,
        "units_with_voices": voices,
    }


def _cells(group: Sequence[Capability]) -> list[str]:
    row = group[0]
    prices = per_second(row)
    return [
        row.model_name,
        row.mode or "any",
        seconds([each.duration for each in group]),
        *(row.cells[name].value for name in SHOWN),
        row.size,
        str(row.fps or "?"),
        _prices(row, prices),
        _prices(row, [None if price is None else price * USD_PER_UNIT for price in prices]),
    ]


def _prices(row: Capability, prices: Sequence[Decimal | None]) -> str:
    """Only of what works."""
    works = (True, row.sound is not Cell.NO, row.voice_list is not Cell.NO)
    shown = [
        report.number(price) if price is not None else "?" for price, can in zip(prices, works, strict=True) if can
    ]
    return " / ".join(shown)


def _times(price: Decimal | None, duration: int) -> float | None:
    return None if price is None else float(price * duration)
