"""Measurements: each runs by itself, against the emulator."""
