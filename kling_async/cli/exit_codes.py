"""The exit codes, and the error for an invalid command line."""

import enum


class Exit(enum.IntEnum):
    """The exit codes; the first that applies is used."""

    OK = 0
    ERROR = 1
    USAGE = 2
    REFUSED = 3
    FAILED = 4
    UNKNOWN = 5
    UNSAVED = 6
    UNWELL = 7
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """The description in `--help`."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.OK: "done",
    Exit.ERROR: "any other error, or a bug (with a traceback); of `batch`: not all rows are done",
    Exit.USAGE: "the command or the request is invalid; nothing was sent, nothing is paid",
    Exit.REFUSED: "the service refused; nothing was created",
    Exit.FAILED: "the task failed: the service could not make it",
    Exit.UNKNOWN: "not known how it ended (deadline, lost connection); find out with the reference",
    Exit.UNSAVED: "the result is made, but not saved; save it with the reference, which costs nothing",
    Exit.UNWELL: "`doctor` found a problem",
    Exit.INTERRUPTED: "Ctrl-C; the message names what goes on and is billed",
    Exit.TERMINATED: "SIGTERM; as 130",
}


class UsageError(Exception):
    """The command line is invalid.

    Args:
        message: what is wrong, and what would be right.
        hint: where to find help; for people only.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Returns the message and the hint for people."""
        return f"error: {self.message}" + (f"\n{self.hint}" if self.hint else "")


class Shown(Exception):
    """Raised to print the help or the version; argparse would print them itself, and hide that writing failed.

    Args:
        text: to print.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
