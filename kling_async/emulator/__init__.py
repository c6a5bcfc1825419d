"""An emulator of the Kling API: a whole account on a loopback port, for tests and for development without a key.

It imports nothing of the client, so that a codec's mistake cannot go unnoticed because both sides share it.
"""

from .account.conditions import Account, Occupation
from .account.ledger import Callback, Entry, Ledger
from .faults.fault import Fault
from .faults.rules import Call, Faults
from .server import Emulator
from .service.catalog import mean_generation_seconds

__all__ = [
    "Account",
    "Call",
    "Callback",
    "Emulator",
    "Entry",
    "Fault",
    "Faults",
    "Ledger",
    "Occupation",
    "mean_generation_seconds",
]
