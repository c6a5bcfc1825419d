"""Checks of this machine: keys, limits, the directory to save to. Pure functions."""

import re
from collections.abc import Mapping
from typing import Final

import attrs

from kling_async.cli.commands.doctor.checks import QUOTES, Check, Note, State, noted
from kling_async.cli.output import file_size
from kling_async.io.config import FILES_BESIDE
from kling_async.protocol.auth import ApiKey, KeyPair
from kling_async.protocol.errors import ConfigurationError

NAMES: Final = ("KLING_API_KEY", "KLING_ACCESS_KEY", "KLING_SECRET_KEY")

LETTERS: Final[Mapping[str, int]] = {"KLING_API_KEY": 16, "KLING_ACCESS_KEY": 16, "KLING_SECRET_KEY": 32}
"""Length of the shortest plausible keys: a shorter one was not copied whole."""

FILES_LEAST: Final = 64
"""Below this even one task may run out of file descriptors."""
FILES_PER_TASK: Final = 2
"""A connection, and the picture that is read or the file that is saved."""
FILES_ENOUGH: Final = 256

SPACE_LEAST: Final = 50_000_000
SPACE_ENOUGH: Final = 1_000_000_000
"""Bytes; a video of 10 s in 1080p takes about 20 MB."""


# ----------------------------------------------------------------------------------------------- credentials


def credentials(environment: Mapping[str, str], found: ApiKey | KeyPair | ConfigurationError) -> Check:
    """Checks the form of the keys, without showing them.

    Args:
        environment: of the process.
        found: the client's credentials from it, or its error.
    """
    given = {name: environment[name] for name in NAMES if environment.get(name, "").strip()}
    if isinstance(found, ConfigurationError):
        return _no_credentials(environment, given, found)
    used: tuple[str, ...] = NAMES[1:]
    text = "an access key and a secret key (KLING_ACCESS_KEY, KLING_SECRET_KEY)"
    if isinstance(found, ApiKey):
        used, text = NAMES[:1], f"an API key of {len(found.key)} letters (KLING_API_KEY)"
        others = [name for name in NAMES[1:] if name in given]
        text += f"; it comes before {' and '.join(others)}, set as well" if others else ""
    notes = [note for name in used for note in _form(name, given.get(name, ""))]
    if isinstance(found, KeyPair) and found.access_key == found.secret_key:
        notes.append(Note("the two are the same", "copy the secret key anew from the console"))
    return noted("credentials", text, notes)


def secrets(environment: Mapping[str, str]) -> frozenset[str]:
    """Returns all keys, which must not be shown, with and without surrounding blanks and quotes."""
    values = [environment[name] for name in NAMES if environment.get(name)]
    return frozenset(text for value in values for text in (value, value.strip().strip(QUOTES).strip()) if text)


def _no_credentials(environment: Mapping[str, str], given: Mapping[str, str], error: ConfigurationError) -> Check:
    if given and NAMES[0] not in given and environment.get(NAMES[0]):
        return Check("credentials", State.PROBLEM, f"{NAMES[0]} is set, but blank", "unset it, or put the key there")
    half = [name for name in NAMES[1:] if name not in given]
    if len(half) == 1 and NAMES[0] not in given:
        return Check(
            "credentials",
            State.PROBLEM,
            f"half a pair: {half[0]} is not set",
            "set it too, in this shell; the console shows both when the pair is made",
        )
    if given:
        return Check(
            "credentials", State.PROBLEM, error.message, "copy it anew from the console, without anything else"
        )
    blank = [name for name in NAMES if name in environment]
    text = f"none: {' and '.join(blank)} set, but blank" if blank else "none: no key is set in this shell"
    alike = [name for name in environment if re.search(r"kling\w*(key|token|secret|_ak|_sk)$", name, re.IGNORECASE)]
    wrong = sorted(name for name in alike if name not in NAMES)
    advice = "set KLING_API_KEY, or KLING_ACCESS_KEY and KLING_SECRET_KEY; keys are made in the developer console"
    if wrong:
        advice = f"{' and '.join(wrong)} is not read: {advice}"
    return Check("credentials", State.PROBLEM, text, f"{advice}. Without a key: `kling-async generate ... --emulator`")


_PLACEHOLDER: Final = re.compile(r"your|\*\*\*|xxxx|\.\.\.|change.?me|placeholder|^<.*>$|^\$|^\{", re.IGNORECASE)


def _form(name: str, raw: str) -> list[Note]:
    """Returns what is odd about a key."""
    notes = []
    text = raw.strip()
    if text != raw:
        notes.append(Note(f"{name} has blanks or a line's end around it", "remove them"))
    if text[0] in QUOTES or text[-1] in QUOTES:
        notes.append(Note(f"{name} has quotes around it", "remove them (`docker --env-file` keeps them)"))
    text = text.strip(QUOTES).strip()
    if text[:7].lower() == "bearer ":
        notes.append(Note(f"{name} begins with Bearer", "give the key alone"))
        text = text[7:].strip()
    if text.startswith(("export ", *(f"{each}=" for each in NAMES))):
        return [*notes, Note(f"{name} holds a whole line of a file", "give what follows the = alone")]
    if _PLACEHOLDER.search(text):
        return [*notes, Note(f"{name} looks like an example's placeholder", "put your own key there")]
    if text.startswith("eyJ") and text.count(".") == 2:
        advice = "give the access key and the secret key, from which fresh tokens are made"
        return [*notes, Note(f"{name} holds a token (JWT), which ends within the hour", advice)]
    if len(text) < LETTERS[name]:
        notes.append(Note(f"{name} has {len(text)} letters only", "check that it was copied whole"))
    if name != NAMES[0] and text.startswith("api-key-"):
        notes.append(Note(f"{name} holds an API key", "set KLING_API_KEY to it, and no pair"))
    return notes


# ----------------------------------------------------------------------------------------------- this machine


def files(soft: int | None, hard: int | None) -> Check:
    """Checks how many files and connections the process may open, and for how many tasks that is enough.

    Args:
        soft: limit in effect; None where there is none.
        hard: up to which the user may raise it; None for no limit.
    """
    if soft is None:
        return Check("files", State.OK, "no limit to open files and connections")
    most = max(0, soft - FILES_BESIDE) // FILES_PER_TASK
    text = f"{soft} open files and connections: room for about {most} tasks at once (concurrency and downloads)"
    if soft >= FILES_ENOUGH:
        return Check("files", State.OK, text)
    may_raise = hard is None or hard >= 4 * FILES_ENOUGH
    advice = (
        f"ulimit -n {4 * FILES_ENOUGH}" if may_raise else f"the limit that is set for this user is {hard}: raise it"
    )
    return Check("files", State.PROBLEM if soft < FILES_LEAST else State.WARNING, text, advice)


@attrs.frozen
class Target:
    """The result of trying a directory to save to.

    Attributes:
        directory: as given.
        is_there: whether it is an existing directory.
        error: why no file could be made and removed there.
        free: free bytes; None where unknown.
    """

    directory: str
    is_there: bool = True
    error: OSError | None = None
    free: int | None = None


def place(found: Target) -> Check:
    """Checks whether videos can be saved."""
    elsewhere = "save elsewhere (`--out DIR` tries another place)"
    if not found.is_there:
        return Check("place", State.PROBLEM, f"{found.directory} is no directory", f"make it first, or {elsewhere}")
    if found.error is not None:
        reason = "no answer" if isinstance(found.error, TimeoutError) else found.error.strerror or str(found.error)
        text = f"{found.directory}: no file can be made and removed there ({reason})"
        return Check("place", State.PROBLEM, text, elsewhere)
    text = f"{found.directory}: a file was made and removed"
    if found.free is None or found.free >= SPACE_ENOUGH:
        return Check("place", State.OK, text + (f"; {_space(found.free)} are free" if found.free is not None else ""))
    state = State.PROBLEM if found.free < SPACE_LEAST else State.WARNING
    return Check("place", state, f"{text}; only {_space(found.free)} are free", f"make room, or {elsewhere}")


def _space(free: int) -> str:
    return f"{free / 1e9:.1f} GB" if free >= 1_000_000_000 else file_size(free)
