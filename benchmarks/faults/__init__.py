"""Measures reliability: what happens to tasks and money when calls fail."""
