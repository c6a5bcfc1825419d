"""A clock that only advances when a test advances it."""


class FakeClock:
    """A time of day that only changes when a test calls `advance`.

    Tasks of an emulator that uses this clock progress only then, at the speed of the service. The client's waits
    between polls still take real time.

    Args:
        now: seconds since 1970.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now

    def __call__(self) -> float:
        """Returns the time, in seconds since 1970."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Advances the time.

        Args:
            seconds: at least 0: a clock that runs backwards would make finished tasks unfinished again.

        Raises:
            ValueError: `seconds` is less than 0.
        """
        if not seconds >= 0:
            raise ValueError(f"time does not go backwards: {seconds}")
        self._now += seconds
