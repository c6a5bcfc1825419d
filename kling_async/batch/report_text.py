"""Formats values for a report: escapes untrusted text, links files, and shows money and time. Pure functions."""

import html
import os
import re
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import quote

NEAR: Final = 2
"""Directories up to which a file is linked relative to the report, so that both can be moved together."""

_UNSHOWN: Final = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_DIRECTIONS: Final = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_QUERY: Final = re.compile(r"(\bhttps?://[^\s?#]*)[?#]\S*")


def clean(text: str) -> str:
    """Makes a text safe for files and pages: replaces control characters, except line ends and tabs, and surrogates.

    The replacement is U+FFFD; CRLF becomes LF.
    """
    return _UNSHOWN.sub("\ufffd", text.replace("\r\n", "\n"))


def unsigned(text: str) -> str:
    """Removes the queries of web addresses in a text, because they contain signatures."""
    return _QUERY.sub(r"\1?…", text)


def escaped(text: str) -> str:
    """Escapes a text for use in a page or an attribute."""
    return html.escape(clean(text))


def isolated(text: str) -> str:
    """Wraps a text in markup that confines its writing direction, and any overrides, to the text itself."""
    return f"<bdi>{escaped(text)}</bdi>"


def one_direction(text: str) -> str:
    """Escapes a text where markup is impossible, without the characters that change the writing direction."""
    return escaped(_DIRECTIONS.sub("", text))


def named(path: PurePath, out: PurePath) -> str:
    """Returns a file's name for a table: relative to the report's directory if it is inside, else its full path."""
    text, inside = str(path), os.path.join(out, "")  # noqa: PTH118  (Path objects are slow for thousands of files)
    return text.removeprefix(inside).replace(os.sep, "/") if text.startswith(inside) else text


def href(path: str | PurePath, out: PurePath) -> str | None:
    """Returns a percent-encoded link from the report to a file; None if it cannot be a file on this machine.

    Args:
        path: absolute path of the file.
        out: absolute path of the report's directory.
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
    """Whether a text is an address such as `https://...`; a drive letter does not count."""
    return _ADDRESS.match(text) is not None


def units_text(units: Decimal) -> str:
    """Formats units, as `1,234.5`."""
    return f"{units.normalize():,f}"


def usd_text(usd: Decimal) -> str:
    """Formats dollars, as `$0.21`, or as `$0.0035` if cents are not exact enough."""
    exact = usd.quantize(Decimal("0.0001")).normalize()
    exponent = exact.as_tuple().exponent
    return f"${exact:,.{max(2, -exponent if isinstance(exponent, int) else 0)}f}"


def money_text(amount: Decimal, currency: str | None) -> str:
    """Formats an amount, as `3.02 CNY`; an unnamed currency is stated as such."""
    return f"{amount.normalize():,f} {currency or 'of a currency that was not named'}"


def time_text(seconds: float) -> str:
    """Formats a duration, as `2:31` or `1:02:31`."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
