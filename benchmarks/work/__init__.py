"""Measures the work of a batch with each client: create, poll, download; its cost, and the lag of results."""

from benchmarks.work.plan import measure
from benchmarks.work.report import goals, markdown

__all__ = ["goals", "markdown", "measure"]
