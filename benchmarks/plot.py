"""The picture of the report: what waiting costs each client, and polls against lag."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Spread
from benchmarks.work.plan import CASES

INK: Final = "#808080"
"""Readable on white and on black."""
OURS: Final = "#e4572e"
FLOOR: Final = "#3a86c8"
PEERS: Final = INK
BOUND: Final = "#2a9d8f"


def draw(data: Mapping[str, Any], path: Path) -> bool:
    """Draws what was measured; tells whether there is a picture.

    Args:
        data: Of each part.
        path: Of the picture.
    """
    panels = [
        panel
        for panel, there in (
            (_costs, "runs" in data.get("work", {})),
            (_schedule, "curves" in data.get("schedule", {})),
        )
        if there
    ]
    if not panels:
        return False
    import matplotlib as mpl  # noqa: PLC0415  # pyright: ignore[reportMissingImports]  (heavy, only for the picture)

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  # pyright: ignore[reportMissingImports]

    colours = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
    style = {"svg.fonttype": "none", "svg.hashsalt": "results", "font.size": 9, "axes.grid": True, "grid.alpha": 0.25}
    with plt.rc_context({**colours, **style, "grid.color": INK, "legend.frameon": False}):
        figure, axes = plt.subplots(1, len(panels), figsize=(5.4 * len(panels), 4.4), squeeze=False)
        for panel, axis in zip(panels, axes[0], strict=True):
            panel(axis, data)
        figure.tight_layout()
        figure.savefig(path, transparent=True, metadata={"Date": None})
        plt.close(figure)
    return True


def _costs(axis: Any, data: Mapping[str, Any]) -> None:
    runs = data["work"]["runs"].get("500", {})
    for name, case in CASES.items():
        good = [run for run in runs.get(name, []) if "error" not in run and run["lag_mean"] is not None]
        if not good:
            continue
        x, y = (Spread(run[key] for run in good).median for key in ("requests", "cpu_ms"))
        ours, floor = case.environment == "kling_async", case.environment == "aiohttp"
        colour = OURS if ours else FLOOR if floor else PEERS
        axis.scatter([x], [y], color=colour, s=28 if ours else 16, zorder=3)
        axis.annotate(case.name, (x, y), xytext=(4, 3), textcoords="offset points", color=colour, fontsize=7)
    axis.set(xscale="log", yscale="log", xlabel="requests per task", ylabel="CPU per task, ms")
    axis.margins(x=0.25)
    axis.set_title("500 tasks at once: left and down is cheaper")


def _schedule(axis: Any, data: Mapping[str, Any]) -> None:
    schedule = data["schedule"]
    for name, curve in schedule["curves"].items():
        bound = "least" in name or "bound" in name
        colour = BOUND if bound else OURS if "kling_async" in name else PEERS
        lags, polls = zip(*sorted(curve), strict=True)
        axis.plot(lags, polls, label=name, color=colour, linestyle="--" if bound else "-", linewidth=1.5)
    for name, (lag, polls) in schedule.get("points", {}).items():
        axis.scatter([lag], [polls], color=PEERS, s=16, zorder=3)
        axis.annotate(name, (lag, polls), xytext=(4, 3), textcoords="offset points", fontsize=7)
    axis.set(xscale="log", yscale="log", xlabel="mean lag, s", ylabel="polls per task")
    axis.set_title("one task: polls against lag")
    axis.legend(fontsize=7)
