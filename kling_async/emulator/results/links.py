"""Signed links to result files that expire, and byte ranges: pure decisions."""

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
"""Seconds for which the service keeps a result; later no link to it is valid."""

SIGNATURE_PROBLEM: Final = "The request signature we calculated does not match the signature you provided."

# The query of a detour, and the start of its signature.
_ODD: Final = "name=attachment%3B+name%3D%27a%2Fb%20c%27&scope=a/b:c@d,e;f!$*('~%7e')&empty=&%E4%BD%A0=1"
_MARK: Final = "&Signature="

_RANGE: Final = re.compile(r"bytes=([0-9]*)-([0-9]*)", re.ASCII)


class Links:
    """Makes and checks links.

    A link is the same in consecutive queries, and valid for at least half of `lifetime` when it is returned:
    a client that queries the task again gets a valid link.

    Args:
        base_url: Scheme, host and port.
        key: Signing key.
        lifetime: Seconds for which a link is valid at most.
    """

    def __init__(self, base_url: str, key: bytes, lifetime: float) -> None:
        self._base_url = base_url
        self._key = key
        self._lifetime = lifetime

    def make(self, task: EmulatedTask, name: str, now: float, address: str = "") -> str:
        """Returns the link to a file of a task that has succeeded; `address` replaces `base_url`, if given."""
        half = self._lifetime / 2
        windows = math.floor(max(now - task.finished_at, 0) / half) + 2
        expires = math.ceil(task.finished_at + min(windows * half, RETENTION))
        suffix = task.request.result.files[name]
        path = f"/files/{task.task_id}/{name}/{task.result_id}{suffix}"
        return f"{address or self._base_url}{path}?expires={expires}&signature={self._sign(path, str(expires))}"

    def maker(self, now: float, address: str = "") -> LinkMaker:
        """Returns `make`, bound to a time and an address."""
        return lambda task, name: self.make(task, name, now, address)

    def problem(self, path: str, query: Mapping[str, str], now: float) -> str:
        """Returns the error of a requested link, "" if it is valid."""
        expires, signature = query.get("expires", ""), query.get("signature", "")
        if not hmac.compare_digest(self._sign(path, expires).encode(), signature.encode(errors="replace")):
            return SIGNATURE_PROBLEM
        return "Request has expired" if now >= int(expires) else ""

    def file(self, url: str, now: float, address: str = "") -> tuple[str, str] | None:
        """Returns the task id and the file name of a link, None if it is not a valid link of this emulator.

        Args:
            url: Any text.
            now: Seconds since the epoch.
            address: Another scheme, host and port by which the files are reached, "" if there is none.
        """
        # Another emulator may have the same key and ids, so the address must match.
        if not any(url.startswith(f"{own}/files/") for own in (self._base_url, address) if own):
            return None
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.problem(parts.path, query, now):
            return None
        _, _, task_id, name, _ = parts.path.split("/")
        return task_id, name

    def detour(self, path: str, expires: str, address: str = "") -> str:
        """Returns another link to a file, valid only in its exact spelling, which is signed.

        It contains everything that a client might normalize: unneeded percent-encoding, percent-encoding in lower case,
        and characters that a query may contain encoded or not.

        Args:
            path: The path of a valid link.
            expires: Its `expires`.
            address: Replaces `base_url`, if given.
        """
        stem, _, kind = path.rpartition(".")
        target = f"{stem}~%7E+%2B'(%41)%20%c3%A9.{kind}?expires={expires}&{_ODD}"
        return f"{address or self._base_url}{target}{_MARK}{self._sign_target(target)}"

    def detour_problem(self, target: str, now: float) -> str | None:
        """Returns the error of a request's raw target, "" if it is valid; None when it is not a detour."""
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
    """Returns the first byte and the one after the last that a `Range` header requests.

    Args:
        header: Its value, None when it is missing.
        size: Bytes of the file, more than 0.

    Returns:
        None when the whole file is requested, or when the header is not supported (several ranges, another unit) and so
        ignored, as in RFC 9110.

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
    """Joins pieces (first byte, byte after the last) that overlap or touch."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(pieces):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
