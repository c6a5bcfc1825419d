"""Benchmarks: `python -m benchmarks` compares with peers; the other packages run alone, against the emulator."""
