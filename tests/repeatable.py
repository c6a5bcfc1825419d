"""What tests use in place of things that a check forbids in the package itself, each with its one exception here."""

import pickle
import random
from typing import TypeVar

T = TypeVar("T")


def same_draws(seed: int | str) -> random.Random:
    """Random numbers that are the same in each run."""
    return random.Random(seed)  # noqa: S311  (repeatable, nothing is secured by it)


def pickled(value: T) -> T:
    """Pickles and unpickles a value."""
    twin: T = pickle.loads(pickle.dumps(value))  # noqa: S301  (made here)
    return twin
