"""Access rules: the person and the site of a request, its size, and the error when it is refused."""

import hashlib
import ipaddress
import re
import secrets
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from kling_async import Problem

UPLOAD_BYTES: Final = 10 * 2**20
"""Maximum size of a picture, as at the service."""
BODY_BYTES: Final = UPLOAD_BYTES + 2**16
"""Maximum size of a request: a picture and the texts of the form."""
TEXT_BYTES: Final = 2**15
"""Maximum size of a text of the form; shorter prompts may still have too many letters."""
SECONDS: Final = 180 * 86400
"""Seconds for which a browser keeps its session."""
TROUBLE: Final = "The service cannot keep this now: try again in a minute."
_IN_THE_FORM: Final = {"image": "picture"}
COOKIE: Final = "clips_session"
PICTURE_HEADERS: Final = {"Cache-Control": "private, max-age=86400"}
"""Headers of pictures, which never change."""
HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; form-action 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Default headers of each response: the page loads nothing from other sites, and other sites cannot embed it."""


class Refusal(Exception):
    """A request is refused with an error response.

    Args:
        status: the HTTP status.
        message: for people.
        problems: fields, each with its problem.
    """

    def __init__(self, status: int, message: str, problems: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"message": message} | ({} if problems is None else {"problems": problems})

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> "Refusal":
        """Creates the refusal for problems that the client finds before paying, with the names of the form's fields."""
        named = [{"field": _IN_THE_FORM.get(each.field, each.field), "message": each.message} for each in problems]
        return cls(HTTPStatus.UNPROCESSABLE_ENTITY, "This cannot be sent; nothing was paid.", named)


class Person:
    """The sender of a request: a browser with its cookie. In an application with accounts, use the account here.

    Args:
        cookie: as received; a new one is created if it is not valid.
    """

    def __init__(self, cookie: str | None) -> None:
        self.is_new = cookie is None or not re.fullmatch(r"[A-Za-z0-9_-]{43}", cookie)
        self.cookie = secrets.token_urlsafe(32) if cookie is None or self.is_new else cookie
        self.name = hashlib.sha256(self.cookie.encode()).hexdigest()[:32]
        """Name of the directory with their clips: a hash, so that it does not reveal the session."""


def refuse_strangers(person: Person) -> None:
    """Refuses a person without a session, who could not find the clip again.

    Raises:
        Refusal: there is no session.
    """
    if person.is_new:
        raise Refusal(HTTPStatus.FORBIDDEN, "Open the page first: it gives your browser a session.")


def no_form() -> Refusal:
    """Returns the refusal of a body that cannot be read as the page's form."""
    return Refusal(HTTPStatus.BAD_REQUEST, "This is no form.")


def refuse_other_types(kind: str) -> None:
    """Refuses a body that is not `multipart/form-data`.

    Args:
        kind: `Content-Type`, as received.

    Raises:
        Refusal: the type is another.
    """
    if kind.partition(";")[0].strip().lower() != "multipart/form-data":
        raise no_form()


def refuse_large(size: int | str | None) -> None:
    """Refuses a body that is too large.

    Args:
        size: `Content-Length`, or the number of bytes received so far.

    Raises:
        Refusal: the body is too large.
    """
    if size is not None and (isinstance(size, int) or size.isdecimal()) and int(size) > BODY_BYTES:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A picture has at most {UPLOAD_BYTES >> 20} MB.")


def refuse_other_sites(headers: Mapping[str, str], own_name: str) -> None:
    """Refuses requests that a page of another site makes a browser send; programs send neither header, and pass.

    `Host` is checked as well, so that no site can point its own name at this server's address (DNS rebinding).

    Args:
        headers: of the request, by names in any case.
        own_name: the public host name of this server.

    Raises:
        Refusal: the request comes from another site.
    """
    host = headers.get("host", "")
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    try:
        came_from = host if origin is None else urlsplit(origin).netloc
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:  # e.g. brackets without a valid IPv6 address
        raise Refusal(HTTPStatus.FORBIDDEN, "Host or Origin is no address of a site.") from None
    if site not in {None, "same-origin", "none"} or came_from != host:
        raise Refusal(HTTPStatus.FORBIDDEN, "This came from another site.")
    if name not in {"localhost", own_name} and not _is_address(name):
        raise Refusal(HTTPStatus.FORBIDDEN, f"This service has another name than {name!r}: CLIPS_URL says which.")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
