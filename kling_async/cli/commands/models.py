"""`kling-async models`: shows what each model can do, and what it costs."""

import itertools
from argparse import Namespace
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs

from kling_async.cli import endpoints
from kling_async.cli.exit_codes import Exit, UsageError
from kling_async.cli.output import Output, columns_of_terminal, number, table
from kling_async.protocol.capability import Capability, CapabilityMap, Cell, Retirement
from kling_async.protocol.endpoint import Endpoint, Generation
from kling_async.protocol.rules.values import in_words


def run(options: Namespace, output: Output) -> int:
    """Runs the command; returns the exit code."""
    endpoint = endpoints.endpoint(options.endpoint)
    if endpoint is None or endpoint.capabilities is None:
        raise UsageError(f"no models of {options.endpoint!r} are known; use one of {', '.join(_with_map())}")
    both = [(endpoint, endpoint.capabilities), *_current(options.endpoint)]
    shown = [(each, known, rows) for each, known in both if (rows := _rows(known, options.model))]
    if not shown:
        unknown = endpoint.capabilities.unknown_model(options.model)
        raise UsageError(_elsewhere(options.model) or unknown or "the map is empty")
    price = endpoint.priced(Decimal(1)).usd
    names = dict.fromkeys(row.model_name for _, _, rows in shown for row in rows)
    models = [{"generation": each.generation.value} | data(known, row) for each, known, rows in shown for row in rows]
    output.result(
        "\n\n".join(_section(each, known, rows) for each, known, rows in shown),
        "\n".join(names),
        {"models": models, "usd_per_unit": price and float(price)},
    )
    return Exit.OK


def _current(name: str) -> list[tuple[Endpoint, CapabilityMap[Any]]]:
    """Returns the current generation's endpoint for a command, with its map; empty if there is none."""
    current = endpoints.current_of(name.replace("_", "-"))
    found = None if current is None else endpoints.endpoint(current)
    return [(found, found.capabilities)] if found is not None and found.capabilities is not None else []


def _rows(capabilities: CapabilityMap[Any], model: str | None) -> list[Capability]:
    return [row for row in capabilities.rows if model in {None, row.model_name}]


def _section(endpoint: Endpoint, capabilities: CapabilityMap[Any], rows: Sequence[Capability]) -> str:
    price = endpoint.priced(Decimal(1)).usd
    heading = ["the current generation, by --model:"] * (endpoint.generation is Generation.CURRENT)
    lines = [*heading, as_table(capabilities, rows, price), "", *_retired(rows), _legend(capabilities, price)]
    return "\n".join(lines)


def _elsewhere(model: str) -> str | None:
    """Returns a hint for a word that is no model of the endpoint but one of another, or an endpoint's name."""
    if endpoints.endpoint(model) is not None:
        return f"{model} is no model, but a command: --endpoint {model}"
    maps = {name: endpoints.described(name).capabilities for name in _with_map()}
    maps |= {name: known for name in _with_map() for _, known in _current(name) if model in known.models}
    others = [name for name, found in maps.items() if found is not None and model in found.models]
    return f"{model} is a model of {in_words(others)}: --endpoint {others[0]}" if others else None


def _with_map() -> list[str]:
    found = {name: endpoints.endpoint(name) for name in endpoints.names()}
    return [name for name, endpoint in found.items() if endpoint is not None and endpoint.capabilities is not None]


def as_table(capabilities: CapabilityMap[Any], rows: Sequence[Capability], price: Decimal | None) -> str:
    """Returns a table for people, with one line for rows that differ only in their seconds.

    Args:
        capabilities: the map.
        rows: rows of the map to show.
        price: of a unit, in dollars.
    """
    features = {feature.name: feature.heading for feature in capabilities.features if feature.heading}
    of = "s" if capabilities.price_of == "second" else capabilities.price_of
    headings = ["model", "mode", "seconds", *features.values(), "size", "fps", f"units/{of}", f"$/{of}"]
    no_mode = "any" if any(row.mode for row in capabilities.rows) else ""
    cells = []
    for group in grouped(rows):
        row = group[0]
        units = prices(capabilities, row)
        cells.append(
            [
                row.model_name,
                row.mode or no_mode,
                seconds([each.duration for each in group if each.duration is not None]),
                *(row.cells[name].value for name in features),
                row.size or "",
                str(row.fps or "?") if row.size else "",
                _shown(capabilities, row, units),
                _shown(capabilities, row, [amount and price and amount * price for amount in units]),
            ]
        )
    filled = [any(column) for column in zip(*cells, strict=True)]  # models of pictures have no mode, seconds or size
    headings, *lines = ([*itertools.compress(line, filled)] for line in (headings, *cells))
    return table(headings, lines, columns_of_terminal())


def _retired(rows: Sequence[Capability]) -> list[str]:
    """Returns a line for each group of models that were retired on one day and have the same successor."""
    ends: dict[Retirement, list[str]] = {}
    for row in rows:
        if row.retired and row.model_name not in (names := ends.setdefault(row.retired, [])):
            names.append(row.model_name)
    return [
        f"retired{f' since {end.since}' if end.since else ''}, use {end.instead}: {', '.join(names)}"
        for end, names in ends.items()
    ]


def grouped(rows: Sequence[Capability]) -> list[list[Capability]]:
    """Groups neighbouring rows that differ only in their seconds."""
    groups: list[list[Capability]] = []
    for row in rows:
        if groups and attrs.evolve(groups[-1][0], duration=row.duration) == row:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def seconds(durations: Sequence[int]) -> str:
    """Returns durations as `5`, `5, 10`, `3-15`, or nothing."""
    if len(durations) > 2 and list(durations) == list(range(durations[0], durations[-1] + 1)):
        return f"{durations[0]}-{durations[-1]}"
    return ", ".join(map(str, durations))


def prices(capabilities: CapabilityMap[Any], row: Capability) -> list[Decimal | None]:
    """Returns units for a second or a picture: without and with each feature that changes the price."""
    totals = [
        capabilities.units(row.model_name, row.mode, row.duration, using={name})
        for name in ("", *(feature.name for feature in capabilities.priced_by))
    ]
    return [None if total is None else total / (row.duration or 1) for total in totals]


def data(capabilities: CapabilityMap[Any], row: Capability) -> dict[str, Any]:
    """Returns JSON data; None where something is not known."""
    names = ("units", *(f"units_with_{feature.heading}" for feature in capabilities.priced_by))
    units = [None if price is None else float(price * (row.duration or 1)) for price in prices(capabilities, row)]
    known = {Cell.YES: True, Cell.NO: False, Cell.UNKNOWN: None}
    return {
        "model_name": row.model_name,
        "mode": row.mode,
        "duration": row.duration,
        **{name: known[cell] for name, cell in row.cells.items()},
        "size": row.size,
        "fps": row.fps,
        "retired": row.retired and {**attrs.asdict(row.retired), "since": row.retired.since and str(row.retired.since)},
        **dict(zip(names, units, strict=True)),
    }


def _legend(capabilities: CapabilityMap[Any], price: Decimal | None) -> str:
    with_ = [f"with {feature.heading}" for feature in capabilities.priced_by]
    several = f"prices: {' / '.join(['without', *with_])}; " if with_ else ""
    return f"y: works, -: does not, ?: not known (and not refused)\n{several}1 unit is ${price or '?'} at list price"


def _shown(capabilities: CapabilityMap[Any], row: Capability, amounts: Sequence[Decimal | None]) -> str:
    """Returns prices of features that work; a feature may need another one, as voices need sound."""
    works = {"": True}
    for feature in capabilities.priced_by:
        works[feature.name] = row.cells[feature.name] is not Cell.NO and works.get(feature.needs or "", True)
    texts = ["?" if amount is None else number(amount) for amount in amounts]
    shown = [text if possible else "-" for text, possible in zip(texts, works.values(), strict=True)]
    while shown[-1] == "-":
        shown.pop()
    return " / ".join(shown)
