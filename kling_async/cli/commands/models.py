"""`kling-async models`: what each model can do, and what it costs."""

import itertools
from argparse import Namespace
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from kling_async.cli import endpoints
from kling_async.cli.exit_codes import Exit, UsageError
from kling_async.cli.output import Output, columns_of_terminal, number, table
from kling_async.protocol.capability import Capability, CapabilityMap, Cell, Retirement

LEGEND: Final = """\
y: works, -: does not, ?: not known (and not refused)
units/s and $/s: silent / with sound / with voices; 1 unit is ${price} at list price"""


def run(options: Namespace, output: Output) -> int:
    """Carries the command out; returns the exit code."""
    endpoint = endpoints.endpoint(options.endpoint)
    if endpoint is None or endpoint.capabilities is None:
        raise UsageError(f"no models of {options.endpoint!r} are known; use one of {', '.join(endpoints.names())}")
    capabilities = endpoint.capabilities
    rows = [row for row in capabilities.rows if options.model in {None, row.model_name}]
    if not rows:
        raise UsageError(capabilities.unknown_model(options.model) or "the map is empty")
    names = dict.fromkeys(row.model_name for row in rows)
    price = endpoint.priced(Decimal(1)).usd
    output.result(
        "\n".join([_table(capabilities, rows, price), "", *_retired(rows), LEGEND.format(price=price or "?")]),
        "\n".join(names),
        {"models": [data(capabilities, row) for row in rows], "usd_per_unit": price and float(price)},
    )
    return Exit.OK


def _table(capabilities: CapabilityMap[Any], rows: Sequence[Capability], price: Decimal | None) -> str:
    features = {feature.name: feature.heading for feature in capabilities.features if feature.heading}
    headings = ("model", "mode", "seconds", *features.values(), "size", "fps", "units/s", "$/s")
    cells = []
    for group in grouped(rows):
        row = group[0]
        units = per_second(capabilities, row)
        cells.append(
            [
                row.model_name,
                row.mode or "any",
                seconds([each.duration for each in group]),
                *(row.cells[name].value for name in features),
                row.size,
                str(row.fps or "?"),
                _prices(row, units),
                _prices(row, [None if amount is None or price is None else amount * price for amount in units]),
            ]
        )
    return table(headings, cells, columns_of_terminal())


def _retired(rows: Sequence[Capability]) -> list[str]:
    """A line for all models that were retired on one day and have the same successor."""
    ends: dict[Retirement, list[str]] = {}
    for row in rows:
        if row.retired and row.model_name not in (names := ends.setdefault(row.retired, [])):
            names.append(row.model_name)
    return [
        f"retired{f' since {end.since}' if end.since else ''}, use {end.instead}: {', '.join(names)}"
        for end, names in ends.items()
    ]


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


def per_second(capabilities: CapabilityMap[Any], row: Capability) -> list[Decimal | None]:
    """Units for a second: silent, with sound, with voices."""
    kinds = ((False, False), (True, False), (True, True))
    clip = (row.model_name, row.mode, row.duration)
    totals = [capabilities.units(*clip, sound=sound, voice=voice) for sound, voice in kinds]
    return [None if total is None else total / row.duration for total in totals]


def data(capabilities: CapabilityMap[Any], row: Capability) -> dict[str, Any]:
    """For programs: null is not known."""
    silent, sound, voices = (_times(price, row.duration) for price in per_second(capabilities, row))
    known = {Cell.YES: True, Cell.NO: False, Cell.UNKNOWN: None}
    return {
        "model_name": row.model_name,
        "mode": row.mode,
        "duration": row.duration,
        **{name: known[cell] for name, cell in row.cells.items()},
        "size": row.size,
        "fps": row.fps,
        "retired": row.retired and {**attrs.asdict(row.retired), "since": row.retired.since and str(row.retired.since)},
        "units": silent,
        "units_with_sound": sound,
        "units_with_voices": voices,
    }


def _prices(row: Capability, prices: Sequence[Decimal | None]) -> str:
    """Only of what works; voices need sound."""
    works = itertools.takewhile(lambda name: row.cells.get(name, Cell.NO) is not Cell.NO, ("sound", "voice_list"))
    shown = prices[: 1 + len([*works])]
    return " / ".join("?" if price is None else number(price) for price in shown)


def _times(price: Decimal | None, duration: int) -> float | None:
    return None if price is None else float(price * duration)
