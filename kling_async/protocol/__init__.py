"""The pure core: bytes and numbers in, values out.

No module here does I/O, reads a clock or draws a random number: time and randomness are arguments. `ruff.toml` in
this folder bans the modules that would break this, and `tests/test_layers.py` checks the order of the layers.
"""
