"""The page of a report: results in, HTML out. A single file that loads only local pictures, videos and sounds.

Texts of rows appear only as text, never in the script; the content security policy forbids running or loading anything
else.
"""

import base64
import functools
import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, Final

from kling_async.batch.report_sums import Sums, sums_of
from kling_async.batch.report_text import (
    escaped,
    href,
    isolated,
    money_text,
    named,
    one_direction,
    time_text,
    units_text,
    unsigned,
    usd_text,
)
from kling_async.batch.result import RowResult, RowStatus
from kling_async.protocol.endpoint import Pool
from kling_async.protocol.result_kind import ResultKind

PROMPT_SHOWN: Final = 160
"""Characters of a prompt that are shown before it is expanded."""
PROMPT_MOST: Final = 4000
"""Characters of a prompt that the page contains; the service's limit is lower."""
BAR: Final = 1000
"""Width of the status bar, in its own units."""

_KINDS: Final = {ResultKind.VIDEO: "video", ResultKind.IMAGE: "picture", ResultKind.AUDIO: "sound"}
_ACTIONS: Final = {"video": "Play", "sound": "Play", "picture": "Show"}
_PROMPTS: Final = ("prompt", "text", "effect_scene")


def page(results: Sequence[RowResult], out: Path, *, title: str, written: datetime) -> str:
    """Renders the page.

    Args:
        results: results of all rows, in order; pictures have absolute paths.
        out: absolute path of the report's directory.
        title: title of the page.
        written: when the page is written.
    """
    css, js = _asset("report.css"), _asset("report.js")
    sums = sums_of(results)
    policy = (
        "default-src 'none'; img-src 'self' file:; media-src 'self' file:; "
        f"style-src '{_digest(css)}'; script-src '{_digest(js)}'; base-uri 'none'; form-action 'none'"
    )
    return Template(_asset("report.html")).substitute(
        policy=policy,
        css=css,
        js=js,
        title=one_direction(title),
        heading=isolated(title),
        moment=written.isoformat(),
        written=f"{written:%Y-%m-%d %H:%M} {written:%Z}",
        bar=_bar(sums, len(results)),
        sums=_summary(sums, len(results)),
        buttons=_buttons(sums, len(results)),
        rows="".join(_row(result, out) for result in results),
    )


# ------------------------------------------------------------------------------------------------- the top


def _summary(sums: Sums, rows: int) -> str:
    counts = ", ".join(f"{count:,} {status}" for status, count in sums.counts.items())
    units = " + ".join(_pack(sums, pool) for pool in sums.units)
    money = [escaped(money_text(amount, currency)) for currency, amount in sums.money.items()]
    notes = [units, *money, f"{sums.unpriced:,} without a known price" if sums.unpriced else ""]
    notes += ["~ from the price table" if sums.estimated else ""]
    about = "~" if sums.estimated else ""
    cost = "unknown" if sums.usd is None else f"{about}{usd_text(sums.usd.quantize(Decimal('0.01')))}"
    cost = money[0] if sums.usd is None and len(money) == 1 else cost
    nothing_sent = sums.usd is None and not sums.unpriced and not money
    median = "none yet" if sums.median is None else time_text(sums.median)
    cells = [
        ("Rows", f"{rows:,}", counts),
        ("Cost", "$0.00" if nothing_sent else cost, "; ".join(filter(None, notes)) or "nothing was paid"),
        ("Time of a row", median, f"median; {time_text(sums.seconds)} in all" if sums.median is not None else ""),
    ]
    return "".join(f"<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>" for name, value, note in cells)


def _pack(sums: Sums, pool: Pool) -> str:
    about = "~" if pool in sums.estimated else ""
    return f"{about}{units_text(sums.units[pool])} units{'' if pool is Pool.VIDEO else f' ({pool.value} pack)'}"


def _bar(sums: Sums, rows: int) -> str:
    parts, start = [], 0.0
    for status, count in sums.counts.items():
        width = BAR * count / rows
        parts.append(f'<rect class="{_word(status)}" x="{start:.1f}" width="{width:.1f}" height="8"/>')
        start += width
    return f'<svg id="bar" viewBox="0 0 {BAR} 8" preserveAspectRatio="none" aria-hidden="true">{"".join(parts)}</svg>'


def _buttons(sums: Sums, rows: int) -> str:
    choices = [("", "all", rows), *((_word(status), status.value, count) for status, count in sums.counts.items())]
    return "".join(
        f'<button type="button" data-status="{word}" aria-pressed="{"false" if word else "true"}">'
        f"{name} <b>{count:,}</b></button>"
        for word, name, count in choices
    )


# ------------------------------------------------------------------------------------------------- the rows


def _row(result: RowResult, out: Path) -> str:
    word = _word(result.status)
    data = f'class="{word}" data-status="{word}"'
    if result.usd is not None:
        data += f' data-cost="{float(result.usd)}"'
    if result.seconds is not None:
        data += f' data-seconds="{result.seconds:.3f}"'
    return (
        f"<tr {data}><td>{_shot(result, out)}</td>"
        f'<th scope="row">{"".join(_about(result, out))}</th>'
        f'<td><span class="badge">{result.status}</span></td>'
        f"<td>{_cost(result)}</td>"
        f"<td>{'' if result.seconds is None else time_text(result.seconds)}</td></tr>\n"
    )


def _shot(result: RowResult, out: Path) -> str:
    """Returns the thumbnail, which links to the first file."""
    pictures = [] if result.row is None else [*result.row.pictures]
    pictures += [str(file) for file in result.files if _kind(file) == "picture"]
    source = next(filter(None, (href(picture, out) for picture in pictures)), None)
    image = f'<img src="{escaped(source)}" alt="" loading="lazy" decoding="async">' if source else ""
    for file in result.files:
        kind, way = _kind(file), href(file, out)
        if kind and way:
            label = f'<span class="sr-only">{_ACTIONS[kind]} {isolated(result.id)}</span>'
            return f'<a class="shot {kind}" href="{escaped(way)}">{image}{label}</a>'
    return f'<div class="shot">{image}</div>'


def _about(result: RowResult, out: Path) -> Iterator[str]:
    yield f'<h2 class="id">{isolated(result.id)}</h2>'
    if result.row is not None:
        yield from _prompt(result.row.request)
    if result.error:
        yield f'<p class="error">{isolated(unsigned(result.error))}</p>'
    facts = [isolated(fact) for fact in _facts(result)]
    if result.task_id:
        facts.append(f'<span class="task">task {isolated(result.task_id)}</span>')
    if facts:
        yield f'<p class="facts">{" · ".join(facts)}</p>'
    links = [_link(file, out) for file in result.files]
    if links:
        yield f'<p class="files">{" ".join(links)}</p>'


def _facts(result: RowResult) -> Iterator[str]:
    if result.row is not None:
        request = result.row.request
        yield result.row.endpoint
        for name in ("model_name", "mode", "resolution"):
            value = getattr(request, name, None)
            if isinstance(value, str) and value:
                yield value
        duration = getattr(request, "duration", None)
        if isinstance(duration, int | float):
            yield f"{duration} s"
    if result.line is not None:
        yield f"line {result.line}"
    if result.attempts > 1:
        yield f"{result.attempts} attempts"


def _prompt(request: Any) -> Iterator[str]:
    text = _prompt_text(request)[:PROMPT_MOST].strip()
    if not text:
        return
    if len(text) <= PROMPT_SHOWN:
        yield f'<p class="prompt">{isolated(text)}</p>'
        return
    short = text[:PROMPT_SHOWN].rsplit(maxsplit=1)[0]
    rest = f'<span class="rest">{escaped(text[len(short) :])}</span>'
    yield f'<details class="prompt"><summary><bdi>{escaped(short)}{rest}</bdi></summary></details>'


def _prompt_text(request: Any) -> str:
    """Returns the prompt of a request, whatever the record's name for it."""
    body = getattr(request, "body", None)
    sources = [getattr(request, name, None) for name in _PROMPTS]
    sources += [body.get(name) for name in _PROMPTS] if isinstance(body, dict) else []
    shots = getattr(request, "multi_prompt", None)
    if isinstance(shots, tuple):
        sources.append("\n".join(str(getattr(shot, "prompt", "")) for shot in shots))
    if isinstance(prompt := getattr(request, "prompt", None), tuple):
        sources.append("\n".join(str(getattr(shot, "words", "")) for shot in prompt))
    return next((text for text in sources if isinstance(text, str) and text), "")


def _link(file: Path, out: Path) -> str:
    kind, way = _kind(file), href(file, out)
    name = isolated(named(file, out))
    if way is None:
        return f"<span>{name}</span>"
    data = f' data-kind="{kind}"' if kind else ""
    return f'<a href="{escaped(way)}"{data}>{name}</a>'


def _cost(result: RowResult) -> str:
    about = "~" if result.estimated else ""
    units = "" if result.units is None else f"{about}{units_text(result.units)} units"
    paid = "" if not result.amount else escaped(money_text(result.amount, result.currency))
    usd = "" if result.usd is None else f"<small>{about}{usd_text(result.usd)}</small>"
    return " + ".join(filter(None, [units, paid])) + usd


def _kind(file: Path) -> str | None:
    return next((word for kind, word in _KINDS.items() if file.suffix.lower() in kind.suffixes), None)


def _word(status: RowStatus) -> str:
    return status.value.replace(" ", "-")


# ---------------------------------------------------------------------------------------------------- assets


@functools.cache
def _asset(name: str) -> str:
    return resources.files("kling_async.batch").joinpath(name).read_text("utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
