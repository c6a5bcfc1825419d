"""The work of a batch, by every client: create, poll, download; what it costs and how soon results are known."""

from benchmarks.work.plan import measure
from benchmarks.work.report import goals, markdown

__all__ = ["goals", "markdown", "measure"]
