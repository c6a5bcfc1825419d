"""The picture of the report: the cost and the lag of each client, and polls against lag."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Spread
from benchmarks.work.plan import CASES, label
from benchmarks.work.report import good

INK: Final = "#808080"
"""Readable on white and on black."""
OURS: Final = "#e4572e"
FLOOR: Final = "#3a86c8"
BOUND: Final = "#2a9d8f"
COLUMNS: Final = 2
STYLE: Final = {
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color"), INK
    ),
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "results",  # the same figures give the same file
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}


def draw(data: Mapping[str, Any], path: Path) -> bool:
    """Draws the figures; returns whether there is a picture.

    Args:
        data: Figures of each part.
        path: Of the picture.
    """
    panels = []
    if runs := data.get("work", {}).get("runs", {}).get("500"):
        panels += [
            partial(
                _clients,
                runs=runs,
                key="cpu_ms",
                title="500 tasks at once: CPU per task, ms\n(* ran beside others: CPU somewhat inflated)",
            ),
            partial(_clients, runs=runs, key="requests", title="requests per task", named=False),
            partial(_clients, runs=runs, key="lag_mean", title="mean lag, s"),
        ]
    if "curves" in data.get("schedule", {}):
        panels.append(partial(_schedule, data=data["schedule"]))
    if not panels:
        return False
    import matplotlib as mpl  # noqa: PLC0415  # pyright: ignore[reportMissingImports]  (heavy, only for the picture)

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  # pyright: ignore[reportMissingImports]

    with plt.rc_context(STYLE):
        # Two columns, so that it is readable on a page.
        rows, columns = -(-len(panels) // COLUMNS), min(len(panels), COLUMNS)
        figure, axes = plt.subplots(rows, columns, figsize=(4.4 * columns, 3.6 * rows), squeeze=False)
        for axis in axes.flat[len(panels) :]:
            axis.remove()
        for panel, axis in zip(panels, axes.flat, strict=False):
            panel(axis)
            for scale in (axis.xaxis, axis.yaxis):
                if scale.get_scale() == "log":
                    scale.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
                    scale.set_major_formatter("{x:g}")
                    scale.set_minor_formatter(mpl.ticker.NullFormatter())
        figure.tight_layout()
        figure.savefig(path, transparent=True, metadata={"Date": None})
        plt.close(figure)
    return True


def _clients(
    axis: Any, *, runs: Mapping[str, Sequence[Mapping[str, Any]]], key: str, title: str, named: bool = True
) -> None:
    """Draws one row per client: the median as a dot, the range of the runs as a line."""
    there = [(name, case) for name, case in CASES.items() if good(runs.get(name, []))]
    for row, (name, case) in enumerate(there):
        spread = Spread(run[key] for run in good(runs[name]))
        colour = {"kling_async": OURS, "aiohttp": FLOOR}.get(case.environment, INK)
        axis.plot([spread.low, spread.high], [row, row], color=colour, linewidth=1.5)
        axis.plot([spread.median], [row], "o", color=colour, markersize=5)
    axis.set(xscale="log", title=title, yticks=range(len(there)))
    axis.set_yticklabels([label(name, 500) for name, _ in there] if named else [])
    axis.invert_yaxis()


def _style(name: str) -> str:
    return "--" if "least" in name else ":" if "fresh" in name else "-." if "in flight" in name else "-"


def _schedule(axis: Any, data: Mapping[str, Any]) -> None:
    for name, curve in data["curves"].items():
        bound = "least" in name or "bound" in name
        colour = BOUND if bound else OURS if "kling_async" in name else INK
        lags, polls = zip(*sorted(curve), strict=True)
        axis.plot(lags, polls, label=name, color=colour, linestyle=_style(name), linewidth=1.5)
    for name, points in data.get("points", {}).items():
        middle = tuple(Spread(values).median for values in zip(*points, strict=True))
        axis.plot(*middle, "o", color=OURS if "kling_async" in name else INK, markersize=4)
        axis.annotate(name, middle, xytext=(4, 3), textcoords="offset points", fontsize=7)
    axis.set(xscale="log", yscale="log", xlabel="mean lag, s", title="one task: polls against mean lag")
    axis.legend(fontsize=7)
