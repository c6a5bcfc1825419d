"""The exit codes, and the error of a command line that cannot be used."""

import enum


class Exit(enum.IntEnum):
    """The exit codes; the first that fits."""

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
        """For `--help`."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.OK: "done",
    Exit.ERROR: "an error that has no code of its own, or a bug (with a traceback); of `batch`: not all rows are done",
    Exit.USAGE: "not possible as it was asked for; nothing was sent, nothing is paid",
    Exit.REFUSED: "the service refused; nothing was created",
    Exit.FAILED: "the task failed: the service could not make it",
    Exit.UNKNOWN: "not known how it ended (deadline, lost connection); ask again with the reference",
    Exit.UNSAVED: "it is made, but not saved; save it with the reference, which costs nothing",
    Exit.UNWELL: "`doctor` found something that must be mended",
    Exit.INTERRUPTED: "Ctrl-C; the message says what goes on and is billed",
    Exit.TERMINATED: "SIGTERM; as 130",
}


class UsageError(Exception):
    """The words of the command line cannot be used.

    Args:
        message: what is wrong and what would be right.
        hint: how the command is used; for people only.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """As people read it."""
        return f"error: {self.message}" + (f"\n{self.hint}" if self.hint else "")


class Shown(Exception):
    """A text was asked for in place of a command; argparse would print it, and hide that stdout did not take it.

    Args:
        text: the help or the version.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
