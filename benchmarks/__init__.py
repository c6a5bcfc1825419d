"""Measurements: `python -m benchmarks` beside the peers, the others each by itself against the emulator."""
