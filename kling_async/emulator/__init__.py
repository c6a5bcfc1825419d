"""An emulator of the Kling API: a whole account on a loopback port, for tests and for work without a key.

It imports nothing of the client, so that a mistake in a codec cannot hide by being made on both sides.
"""

from .faults.fault import Fault
from .faults.faults import Call, Faults
from .server import Emulator
from .service.account import Account, Occupation
from .service.ledger import Callback, Entry, Ledger

__all__ = ["Account", "Call", "Callback", "Emulator", "Entry", "Fault", "Faults", "Ledger", "Occupation"]
