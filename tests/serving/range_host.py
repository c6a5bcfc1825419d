"""A service with one finished task, and the host of its file, with ranges and connections that break on demand."""

import re
from collections.abc import Callable
from typing import Any

from tests.shell.file_host import MOVIE, chunked
from tests.shell.stub import Answer, Seen, answer, task_answer

SIZE = len(MOVIE)
FILE = b"".join(bytes([place % 251, place // 251 % 251]) for place in range(SIZE // 2 + 1))[:SIZE]
FILE = MOVIE[:64] + FILE[64:]
"""As long as the movie and begun as it, and different in each place."""


class RangeHost:
    """Answers queries with one video, and requests for the video with `file`.

    Args:
        etag: the ETag of the file; None for none. `{}` in it becomes a different number in each response.
        ranges: whether ranges are supported.
        accepts_ranges: whether it advertises ranges; by default the same as `ranges`.
        cut: for each response with more than one byte, after how many bytes it breaks; the last value repeats.
        sends_length: whether the length is sent.
        kind: `videos`, `images` or `audios`.
        media_type: of the file.
    """

    def __init__(
        self,
        *,
        etag: str | None = '"a"',
        ranges: bool = True,
        accepts_ranges: bool | None = None,
        cut: list[int | None] | None = None,
        sends_length: bool = True,
        kind: str = "videos",
        media_type: str = "video/mp4",
    ) -> None:
        self.file, self.etag, self.ranges = FILE, etag, ranges
        self.accepts_ranges = ranges if accepts_ranges is None else accepts_ranges
        self.cut: list[int | None] = cut or [None]
        self.sends_length, self.kind, self.media_type = sends_length, kind, media_type
        self.base = ""
        self.queries = 0
        self.seen: list[Seen] = []
        self.instead: list[Answer | Callable[[Seen], Answer]] = []
        """Responses sent before the file, one by one."""
        self.task: dict[str, Any] = {}
        """Replaces the finished task."""

    @property
    def requested_ranges(self) -> list[str | None]:
        """The `Range` headers of the requests for the file."""
        return [seen.headers.get("range") for seen in self.seen]

    def __call__(self, seen: Seen) -> Answer:
        """Answers one request."""
        if seen.path.startswith("/v1/"):
            self.queries += 1
            made = {"id": "v", "url": f"{self.base}/f?{self.queries}", "duration": "5", "index": 0}
            return task_answer(**self.task or {"status": "succeed", "task_id": "9", "task_result": {self.kind: [made]}})
        self.seen.append(seen)
        if self.instead:
            other = self.instead.pop(0)
            return other(seen) if callable(other) else other
        return self._file(seen)

    def _file(self, seen: Seen) -> Answer:
        if not self.sends_length:
            return chunked(self.file, Content_Type=self.media_type)
        etag = None if self.etag is None else self.etag.format(len(self.seen))
        headers = {"Content_Type": self.media_type} | ({} if etag is None else {"ETag": etag})
        if self.accepts_ranges:
            headers["Accept_Ranges"] = "bytes"
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", seen.headers.get("range", ""))
        if match is None or not self.ranges or seen.headers.get("if-range", etag) != etag:
            return self._cut(answer(200, self.file, **headers), len(self.file))
        size = len(self.file)
        first, end = int(match[1]), min(int(match[2] or size) + 1, size)
        headers["Content_Range"] = f"bytes {first}-{end - 1}/{size}"
        return self._cut(answer(206, self.file[first:end], **headers), end - first)

    def _cut(self, raw: bytes, length: int) -> bytes:
        if length == 1:
            return raw
        after = self.cut.pop(0) if len(self.cut) > 1 else self.cut[0]
        return raw if after is None else raw[: len(raw) - length + after]
