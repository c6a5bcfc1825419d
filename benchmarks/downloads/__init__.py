"""Large files, one and 32 at once, beside `curl` and `sync`."""

from benchmarks.downloads.report import goals, markdown
from benchmarks.downloads.runs import measure

__all__ = ["goals", "markdown", "measure"]
