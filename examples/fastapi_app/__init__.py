"""Turns pictures into clips, for many people: a backend with FastAPI."""
