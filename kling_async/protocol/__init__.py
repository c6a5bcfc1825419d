"""The pure core: bytes and numbers in, values out.

No module here does I/O, reads a clock or draws a random number: time and randomness are arguments. `ruff.toml` in
this folder bans what would break that, and `tests/test_layers.py` holds the order of the layers.
"""
