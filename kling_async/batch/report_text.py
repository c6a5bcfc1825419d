"""What stands in a report: strangers' texts made harmless, where files are, money and time. Values in, text out."""

import html
import os
import re
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import quote

NEAR: Final = 2
"""Directories up to which a picture is linked from the report's own place: both may be moved together."""

_UNSHOWN: Final = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_DIRECTIONS: Final = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_QUERY: Final = re.compile(r"(\bhttps?://[^\s?#]*)[?#]\S*")


def clean(text: str) -> str:
    """A text that files and pages can hold: controls and lone surrogates become U+FFFD, line ends and tabs stay."""
    return _UNSHOWN.sub("\ufffd", text.replace("\r\n", "\n"))


def unsigned(text: str) -> str:
    """A text whose web addresses have lost their queries, in which signatures are."""
    return _QUERY.sub(r"\1?…", text)


def escaped(text: str) -> str:
    """A text as it stands in a page or in an attribute."""
    return html.escape(clean(text))


def isolated(text: str) -> str:
    """A text in markup that lets its direction of writing, and what overrides it, reach no further than the text."""
    return f"<bdi>{escaped(text)}</bdi>"


def one_direction(text: str) -> str:
    """A text for where there is no markup: without the characters that turn the direction of writing."""
    return escaped(_DIRECTIONS.sub("", text))


def named(path: PurePath, out: PurePath) -> str:
    """What a file is called in a table: from the report's directory on if it is in there, else by its whole path."""
    text, inside = str(path), os.path.join(out, "")  # noqa: PTH118  (texts: thousands of paths take long)
    return text.removeprefix(inside).replace(os.sep, "/") if text.startswith(inside) else text


def href(path: str | PurePath, out: PurePath) -> str | None:
    """The way from the report to a file, percent-encoded; None where no file on this machine can be meant.

    Args:
        path: of the file, absolute.
        out: directory of the report, absolute.
    """
    text = os.fspath(path)
    if "\0" in text or not os.path.isabs(text):  # noqa: PTH117  (as above)
        return None
    try:
        steps = os.path.relpath(text, out).split(os.sep)  # noqa: PTH206  (as above)
        if steps.count(os.pardir) <= NEAR:
            return quote(os.fsencode("/".join(steps)))
    except UnicodeEncodeError:
        return None
    except ValueError:  # another drive
        pass
    return Path(text).as_uri()


def is_address(text: str) -> bool:
    """Whether a text is the address of something elsewhere, such as `https://...`; a drive's letter is none."""
    return _ADDRESS.match(text) is not None


def units_text(units: Decimal) -> str:
    """`1,234.5`."""
    return f"{units.normalize():,f}"


def usd_text(usd: Decimal) -> str:
    """`$0.21`, or `$0.0035` where cents do not say it."""
    exact = usd.quantize(Decimal("0.0001")).normalize()
    exponent = exact.as_tuple().exponent
    return f"${exact:,.{max(2, -exponent if isinstance(exponent, int) else 0)}f}"


def money_text(amount: Decimal, currency: str | None) -> str:
    """`3.02 CNY`; of a currency that was not named, that it was not."""
    return f"{amount.normalize():,f} {currency or 'of a currency that was not named'}"


def time_text(seconds: float) -> str:
    """`2:31`, or `1:02:31`."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
