"""Signed links to result files that expire, byte ranges, and what of a file went out: pure decisions."""

import base64
import hashlib
import hmac
import math
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

from kling_async.emulator.account.task import EmulatedTask, LinkMaker

RETENTION: Final = 30 * 86400.0
"""Seconds for which the service keeps a result; then no link to it works any more."""

SIGNATURE_PROBLEM: Final = "The request signature we calculated does not match the signature you provided."

# What the query of a detour holds, and where its signature begins.
_ODD: Final = "name=attachment%3B+name%3D%27a%2Fb%20c%27&scope=a/b:c@d,e;f!$*('~%7e')&empty=&%E4%BD%A0=1"
_MARK: Final = "&Signature="

_RANGE: Final = re.compile(r"bytes=([0-9]*)-([0-9]*)", re.ASCII)


class Links:
    """Makes and checks links.

    A link stays the same over many queries, and is good for at least half of `lifetime` when it is handed out:
    a client that asks for the task anew gets a link that works.

    Args:
        base_url: Scheme, host and port.
        key: Signing key.
        lifetime: Seconds for which a link is good at most.
    """

    def __init__(self, base_url: str, key: bytes, lifetime: float) -> None:
        self._base_url = base_url
        self._key = key
        self._lifetime = lifetime

    def make(self, task: EmulatedTask, name: str, now: float, address: str = "") -> str:
        """Give the link to a file of a task that has succeeded; `address` in place of `base_url`, if any."""
        half = self._lifetime / 2
        windows = math.floor(max(now - task.finished_at, 0) / half) + 2
        expires = math.ceil(task.finished_at + min(windows * half, RETENTION))
        suffix = task.request.result.files[name]
        path = f"/files/{task.task_id}/{name}/{task.result_id}{suffix}"
        return f"{address or self._base_url}{path}?expires={expires}&signature={self._sign(path, str(expires))}"

    def maker(self, now: float, address: str = "") -> LinkMaker:
        """Give `make` for one time and address."""
        return lambda task, name: self.make(task, name, now, address)

    def problem(self, path: str, query: Mapping[str, str], now: float) -> str:
        """Tell what is wrong with a requested link, "" when nothing is."""
        expires, signature = query.get("expires", ""), query.get("signature", "")
        if not hmac.compare_digest(self._sign(path, expires).encode(), signature.encode(errors="replace")):
            return SIGNATURE_PROBLEM
        return "Request has expired" if now >= int(expires) else ""

    def file(self, url: str, now: float, address: str = "") -> tuple[str, str] | None:
        """Give the id of the task and the name of the file to which a link leads, None if it is no good link of ours.

        Args:
            url: Anything.
            now: Seconds since the epoch.
            address: Another scheme, host and port by which the files are reached, "" if there is none.
        """
        # Another emulator may have the same key and the same ids, so that the address counts.
        if not any(url.startswith(f"{own}/files/") for own in (self._base_url, address) if own):
            return None
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.problem(parts.path, query, now):
            return None
        _, _, task_id, name, _ = parts.path.split("/")
        return task_id, name

    def detour(self, path: str, expires: str, address: str = "") -> str:
        """Give another link to a file, which is good to the letter only: what is signed is how it is spelled.

        It has all that a client might be tempted to tidy: quoted letters that need no quotes, quotes in small
        letters, and signs that may stand in a query either way.

        Args:
            path: Of a link that is good.
            expires: The same.
            address: In place of `base_url`, if any.
        """
        stem, _, kind = path.rpartition(".")
        target = f"{stem}~%7E+%2B'(%41)%20%c3%A9.{kind}?expires={expires}&{_ODD}"
        return f"{address or self._base_url}{target}{_MARK}{self._sign_target(target)}"

    def detour_problem(self, target: str, now: float) -> str | None:
        """Tell what is wrong with the target of a request, as it came; None when it is no detour."""
        signed, mark, signature = target.partition(_MARK)
        if not mark:
            return None
        if not hmac.compare_digest(self._sign_target(signed).encode(), signature.encode(errors="replace")):
            return SIGNATURE_PROBLEM
        expires = signed.partition("expires=")[2].partition("&")[0]
        return "Request has expired" if now >= int(expires) else ""

    def _sign_target(self, target: str) -> str:
        digest = hmac.new(self._key, target.encode(errors="replace"), hashlib.sha256).digest()
        return "~%2b" + quote(base64.b64encode(digest), safe="/")  # at least "%3D" at its end

    def _sign(self, path: str, expires: str) -> str:
        message = f"{path}\n{expires}".encode(errors="replace")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()


def requested_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Give the first byte and the one after the last that a `Range` header asks for.

    Args:
        header: Its value, None when it is missing.
        size: Bytes of the file, more than 0.

    Returns:
        None when the whole file is asked for, or when the header is not understood (several ranges, another unit),
        which RFC 9110 says to ignore.

    Raises:
        ValueError: If the range is outside of the file.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    if start >= size:
        raise ValueError("the range is outside of the file")
    return start, end


def merged(pieces: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join pieces (first byte, byte after the last) that overlap or touch."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(pieces):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
