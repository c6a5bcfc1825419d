"""Checks of requests that several endpoints share: the emulator's own reading of the documentation."""
