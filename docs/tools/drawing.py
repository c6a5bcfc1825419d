"""Draws a state machine as SVG: cards on a grid, numbered arrows between them, ends as marks within the cards."""

import html
from collections.abc import Mapping
from typing import Final, NamedTuple

WIDTH, HEIGHT = 190, 62
ACROSS, DOWN = 262, 124
MARGIN: Final = 8
APART: Final = 9
"""Pixels by which each of two opposite arrows between two cards is shifted."""

_TIP: Final = """<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"
orient="auto-start-reverse"><path class="tip" d="M0,0 L8,4 L0,8 z"/></marker></defs>"""

Place = tuple[int, int]


class Card(NamedTuple):
    """A state.

    Attributes:
        place: column and row of the grid.
        name: of the state.
        about: tooltip.
        ends: ends that the state can lead to, each with its CSS class.
    """

    place: Place
    name: str
    about: str = ""
    ends: tuple[tuple[str, str], ...] = ()


def svg(label: str, cards: Mapping[str, Card], arrows: Mapping[tuple[str, str], str]) -> str:
    """Returns a drawing without empty lines, so that it can be embedded in Markdown.

    Args:
        label: description for screen readers.
        cards: by the names that the arrows use.
        arrows: from one card to another, with a number or "".
    """
    columns = 1 + max(card.place[0] for card in cards.values())
    rows = 1 + max(card.place[1] for card in cards.values())
    width = (columns - 1) * ACROSS + WIDTH + 2 * MARGIN
    height = (rows - 1) * DOWN + HEIGHT + 2 * MARGIN
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    lines = [f'<div class="machine"><svg {size} role="img" aria-label="{html.escape(label)}">', _TIP]
    for (begin, end), number in arrows.items():
        lines += _arrow(cards[begin].place, cards[end].place, number, both=(end, begin) in arrows)
    for card in cards.values():
        lines += _card(card)
    return "\n".join([*lines, "</svg></div>"])


def _middle(place: Place) -> tuple[float, float]:
    return MARGIN + place[0] * ACROSS + WIDTH / 2, MARGIN + place[1] * DOWN + HEIGHT / 2


def _arrow(begin: Place, end: Place, number: str, *, both: bool) -> list[str]:
    """Draws a straight line from edge to edge, with its number nearer to its start."""
    (x1, y1), (x2, y2) = _middle(begin), _middle(end)
    dx, dy = x2 - x1, y2 - y1
    length = (dx * dx + dy * dy) ** 0.5
    aside = APART if both else 0
    x1, x2 = x1 - aside * dy / length, x2 - aside * dy / length
    y1, y2 = y1 + aside * dx / length, y2 + aside * dx / length
    within = min(WIDTH / 2 / abs(dx) if dx else 1.0, HEIGHT / 2 / abs(dy) if dy else 1.0)
    x1, y1, x2, y2 = x1 + within * dx, y1 + within * dy, x2 - within * dx, y2 - within * dy
    x, y = x1 + 0.36 * (x2 - x1), y1 + 0.36 * (y2 - y1)
    line = f'<line class="arrow" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" marker-end="url(#tip)"/>'
    if not number:
        return [line]
    return [
        line,
        f'<circle class="number" cx="{x:.1f}" cy="{y:.1f}" r="9"/>',
        f'<text class="digits" x="{x:.1f}" y="{y + 3.5:.1f}">{number}</text>',
    ]


def _card(card: Card) -> list[str]:
    x, y = (_middle(card.place)[0] - WIDTH / 2, _middle(card.place)[1] - HEIGHT / 2)
    lines = [
        f"<g><title>{html.escape(card.about)}</title>",
        f'<rect class="card" x="{x:.1f}" y="{y:.1f}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        f'<text class="state" x="{x + WIDTH / 2:.1f}" y="{y + (26 if card.ends else 36):.1f}">{card.name}</text>',
    ]
    for number, (end, kind) in enumerate(card.ends):
        left = x + WIDTH / 2 - 78 * len(card.ends) / 2 + 78 * number
        lines += [
            f'<rect class="{kind}" x="{left + 3:.1f}" y="{y + 36:.1f}" width="72" height="18" rx="9"/>',
            f'<text class="end" x="{left + 39:.1f}" y="{y + 48.5:.1f}">{end}</text>',
        ]
    return [*lines, "</g>"]
