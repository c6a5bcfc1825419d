"""An emulator of the Kling API: a whole account on a loopback port, for tests and for work without a key.

It imports nothing of the client, so that a mistake in a codec cannot hide by being made on both sides.
"""

from .ledger import Callback, Entry, Ledger
from .server import Emulator

__all__ = ["Callback", "Emulator", "Entry", "Ledger"]
