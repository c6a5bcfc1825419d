"""How long a task takes and how far it is: numbers and words for whoever shows it."""

SECONDS_USUALLY = 164.0
"""Mean of image to video in pro, 5 s, as users of the service measured it."""


def expected_seconds(mode: str | None, duration: int) -> float:
    """About how long the service takes: less for std, more for 4k and for long videos."""
    effort = {"pro": 1.0, "4k": 2.0}.get(mode or "std", 0.65)
    return SECONDS_USUALLY * effort * (0.6 + 0.08 * duration)


def fraction(elapsed: float, expected: float) -> float:
    """How full a bar is: in step with time up to nine tenths, then ever slower, since nobody knows."""
    done = elapsed / expected
    return done if done < 0.9 else 1 - 0.09 / done


def clock_time(seconds: float) -> str:
    """As `1:05`, or `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def times(elapsed: float, expected: float | None) -> str:
    """How long it took, and about how long it takes."""
    if expected is None:
        return clock_time(elapsed)
    return f"{clock_time(elapsed)} / about {clock_time(expected)}"


def bar_width(columns: int, others: int) -> int:
    """What is left of a terminal's line for a bar; none where it would be a stub."""
    room = min(40, columns - others - 4)
    return room if room >= 8 else 0
