"""Reliability, measured: what happens to tasks and money when calls go wrong."""
