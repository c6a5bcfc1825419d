"""Requests for one file of 1000 bytes, with the expected responses."""

from typing import Final

import attrs

LENGTH: Final = 1000
ETAG: Final = '"strong"'
DATE: Final = "Mon, 23 Nov 2026 10:00:00 GMT"
EARLIER: Final = "Fri, 21 Nov 2014 10:00:00 GMT"
LATER: Final = "Mon, 21 Nov 2044 10:00:00 GMT"


@attrs.frozen
class Asked:
    """A request and its response.

    Attributes:
        headers: `ETAG` and `DATE` stand for those of the file.
        status: of the answer.
        span: the bytes of its body, the last one included; None for no bytes.
        method: GET or HEAD.
        like_nginx: whether nginx answers it so.
    """

    headers: dict[str, str]
    status: int
    span: tuple[int, int] | None = (0, LENGTH - 1)
    method: str = "GET"
    like_nginx: bool = True

    def __str__(self) -> str:
        """For the name of a test."""
        return " ".join([self.method, *(f"{name}: {value}" for name, value in self.headers.items())])


def ranges(text: str, status: int, span: tuple[int, int] | None = (0, LENGTH - 1), *, like_nginx: bool = True) -> Asked:
    """A GET with `Range` only."""
    return Asked({"Range": text}, status, span, like_nginx=like_nginx)


FIRST: Final = {"Range": "bytes=0-99"}
REQUESTS: Final = [
    Asked({}, 200),
    Asked({}, 200, None, "HEAD"),
    ranges("bytes=0-99", 206, (0, 99)),
    ranges("bytes=0-", 206, (0, 999)),
    ranges("bytes=0-0", 206, (0, 0)),
    ranges("bytes=999-", 206, (999, 999)),
    ranges("bytes=500-600", 206, (500, 600)),
    ranges("Bytes=500-600", 206, (500, 600)),
    ranges("bytes= 500 - 600 ", 206, (500, 600)),
    ranges("bytes=500-99999", 206, (500, 999)),
    ranges("bytes=0-99999", 206, (0, 999)),
    ranges("bytes=500-" + "9" * 17, 206, (500, 999)),
    ranges("bytes=500-" + "9" * 6000, 206, (500, 999), like_nginx=False),  # to nginx it is no number
    ranges("bytes=000500-0600", 206, (500, 600)),
    ranges("bytes=" + "0" * 22 + "5-9", 206, (5, 9)),
    ranges("bytes=5-" + "0" * 5000 + "9", 206, (5, 9)),
    ranges("bytes=-" + "0" * 22 + "5", 206, (995, 999)),
    ranges("bytes=" + "0" * 22 + "-9", 206, (0, 9)),
    ranges("bytes=-1", 206, (999, 999)),
    ranges("bytes=-500", 206, (500, 999)),
    ranges("bytes=-99999", 206, (0, 999)),
    ranges("bytes=-0", 416, None),
    ranges("bytes=1000-", 416, None),
    ranges("bytes=1000-1001", 416, None),
    ranges("bytes=5-2", 416, None),
    ranges("bytes=", 200),
    ranges("bytes=-", 416, None),
    ranges("bytes=a-b", 416, None),
    ranges("bytes=0-9x", 416, None),
    ranges("bytes=1.5-9", 416, None),
    ranges("bytes=0-9,x", 416, None),
    ranges("bytes=0-9,", 416, None),
    ranges("bytes=2000-,3000-", 416, None),
    ranges("bytes=0-9,2000-", 206, (0, 9)),
    ranges("bytes=5-2,0-9", 206, (0, 9)),
    ranges("bytes=0-9,20-29", 200, like_nginx=False),  # nginx sends several parts
    ranges("bytes=0-9, 20-29, -5", 200, like_nginx=False),
    ranges("bytes=0-,0-,0-", 200),
    ranges("items=0-9", 200),
    ranges("seconds=1-2", 200),
    ranges("bytes 0-9", 200),
    ranges("0-9", 200),
    Asked(FIRST | {"If-Range": ETAG}, 206, (0, 99)),
    Asked(FIRST | {"If-Range": '"other"'}, 200),
    Asked(FIRST | {"If-Range": f"W/{ETAG}"}, 200),
    Asked(FIRST | {"If-Range": DATE}, 206, (0, 99)),
    Asked(FIRST | {"If-Range": "Mon, 23 Nov 2020 10:00:00 GMT"}, 200),
    Asked(FIRST | {"If-Range": "nonsense"}, 200),
    Asked({"Range": "bytes=5000-", "If-Range": '"other"'}, 200),
    Asked({"If-Range": ETAG}, 200),
    Asked({"If-None-Match": ETAG}, 304, None),
    Asked({"If-None-Match": f"W/{ETAG}"}, 304, None),
    Asked({"If-None-Match": f'"x", W/"y" , {ETAG}'}, 304, None),
    Asked({"If-None-Match": "*"}, 304, None),
    Asked({"If-None-Match": '"other"'}, 200),
    Asked({"If-None-Match": ETAG}, 304, None, "HEAD"),
    Asked(FIRST | {"If-None-Match": ETAG}, 304, None),
    Asked(FIRST | {"If-None-Match": '"other"'}, 206, (0, 99)),
    Asked({"Range": "bytes=5000-", "If-None-Match": ETAG}, 304, None),
    Asked({"If-None-Match": f"w/{ETAG}"}, 200, like_nginx=False),
    Asked({"If-Match": ETAG}, 200),
    Asked({"If-Match": "*"}, 200),
    Asked({"If-Match": f'"x" , {ETAG}'}, 200),
    Asked({"If-Match": f"W/{ETAG}"}, 412, None),
    Asked({"If-Match": '"other"'}, 412, None),
    Asked({"If-Match": '"other"'}, 412, None, "HEAD"),
    Asked(FIRST | {"If-Match": ETAG}, 206, (0, 99)),
    Asked(FIRST | {"If-Match": '"other"'}, 412, None),
    Asked({"Range": "bytes=5000-", "If-Match": '"other"'}, 412, None),
    Asked({"If-Match": ETAG, "If-None-Match": ETAG}, 304, None),
    Asked({"If-Match": '"other"', "If-None-Match": ETAG}, 412, None),
    Asked({"If-Unmodified-Since": DATE}, 200),
    Asked({"If-Unmodified-Since": LATER}, 200),
    Asked({"If-Unmodified-Since": EARLIER}, 412, None),
    Asked(FIRST | {"If-Unmodified-Since": EARLIER}, 412, None),
    Asked({"If-Unmodified-Since": EARLIER, "If-None-Match": ETAG}, 412, None),
    Asked({"If-Unmodified-Since": "nonsense"}, 200, like_nginx=False),  # nginx: 412; RFC 9110, 13.1.4: ignored
    Asked({"If-Unmodified-Since": EARLIER, "If-Match": ETAG}, 200, like_nginx=False),  # nginx asks for both
    Asked({"If-Modified-Since": DATE}, 304, None),
    Asked({"If-Modified-Since": DATE}, 304, None, "HEAD"),
    Asked({"If-Modified-Since": EARLIER}, 200),
    Asked({"If-Modified-Since": "nonsense"}, 200),
    Asked({"If-Modified-Since": "Mon, 99 Nov 2026 10:00:00 GMT"}, 200),
    Asked({"If-Modified-Since": LATER}, 304, None, like_nginx=False),  # nginx wants the very date
    Asked(FIRST | {"If-Modified-Since": DATE}, 304, None),
    Asked(FIRST | {"If-Modified-Since": EARLIER}, 206, (0, 99)),
    Asked({"If-Modified-Since": DATE, "If-None-Match": '"other"'}, 200),
    Asked({"If-Modified-Since": DATE, "If-None-Match": ETAG}, 304, None),
    Asked({"If-Modified-Since": EARLIER, "If-None-Match": ETAG}, 304, None, like_nginx=False),  # nginx asks for both
    Asked({"If-Modified-Since": DATE, "If-Unmodified-Since": DATE}, 304, None),
    Asked(FIRST, 200, None, "HEAD", like_nginx=False),  # RFC 9110, 14.2: ranges are defined for GET only
    Asked({"Range": "bytes=5000-"}, 200, None, "HEAD", like_nginx=False),
]
