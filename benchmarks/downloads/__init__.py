"""Downloads of large files, one and 32 at once, compared with `curl` and `sync`."""

from benchmarks.downloads.report import goals, markdown
from benchmarks.downloads.runs import measure

__all__ = ["goals", "markdown", "measure"]
