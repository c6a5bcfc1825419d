"""A clock that only a test moves."""


class FakeClock:
    """The time of day, which stands still until a test lets time pass.

    Tasks of an emulator that goes by it advance only then, at the pace of the service. How long a client waits between
    two questions is real time all the same.

    Args:
        now: seconds since 1970.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Lets time pass.

        Args:
            seconds: how much, from 0 up: a clock that goes backwards would make tasks unfinished again.

        Raises:
            ValueError: it is less than 0.
        """
        if not seconds >= 0:
            raise ValueError(f"time does not go backwards: {seconds}")
        self._now += seconds
