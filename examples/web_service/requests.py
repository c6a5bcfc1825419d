"""What a request may do: who asks, from which site, and what is answered when it is refused."""

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
"""Most bytes of a picture: what the service takes."""
BODY_BYTES: Final = UPLOAD_BYTES + 2**16
"""Most bytes of a request: a picture, and the texts beside it."""
TEXT_BYTES: Final = 2**15
"""Most bytes of a text of the form: longer prompts are refused by their letters."""
SECONDS: Final = 180 * 86400
"""That a browser keeps its session."""
TROUBLE: Final = "The service cannot keep this now: try again in a minute."
_IN_THE_FORM: Final = {"image": "picture"}
COOKIE: Final = "clips_session"
PICTURE_HEADERS: Final = {"Cache-Control": "private, max-age=86400"}
"""Of what never changes."""
HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; form-action 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer that has not its own: nothing is fetched from elsewhere, and nobody else shows it."""


class Refusal(Exception):
    """A request is answered with an error.

    Args:
        status: of HTTP.
        message: for people.
        problems: fields, and what is wrong with them.
    """

    def __init__(self, status: int, message: str, problems: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"message": message} | ({} if problems is None else {"problems": problems})

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> "Refusal":
        """For what `kling` refuses before it is paid for, by the names that the form has."""
        named = [{"field": _IN_THE_FORM.get(each.field, each.field), "message": each.message} for each in problems]
        return cls(HTTPStatus.UNPROCESSABLE_ENTITY, "This cannot be sent; nothing was paid.", named)


class Person:
    """Who asks: a browser with its cookie. Where people log in, their account belongs in this place.

    Args:
        cookie: as it was sent; another one is made where it is none of ours.
    """

    def __init__(self, cookie: str | None) -> None:
        self.is_new = cookie is None or not re.fullmatch(r"[A-Za-z0-9_-]{43}", cookie)
        self.cookie = secrets.token_urlsafe(32) if cookie is None or self.is_new else cookie
        self.name = hashlib.sha256(self.cookie.encode()).hexdigest()[:32]
        """Of the directory with their clips: whoever sees that has no session by it."""


def refuse_strangers(person: Person) -> None:
    """Refuses whom no answer would find again.

    Raises:
        Refusal: there is no session.
    """
    if person.is_new:
        raise Refusal(HTTPStatus.FORBIDDEN, "Open the page first: it gives your browser a session.")


def no_form() -> Refusal:
    """For a body that cannot be read as the page's form."""
    return Refusal(HTTPStatus.BAD_REQUEST, "This is no form.")


def refuse_other_types(kind: str) -> None:
    """Refuses a body that does not say that it is such a form as has files.

    Args:
        kind: `Content-Type`, as received.

    Raises:
        Refusal: it is something else.
    """
    if kind.partition(";")[0].strip().lower() != "multipart/form-data":
        raise no_form()


def refuse_large(size: int | str | None) -> None:
    """Refuses a body that is too large.

    Args:
        size: as it was told, or received until now.

    Raises:
        Refusal: it is.
    """
    if size is not None and (isinstance(size, int) or size.isdecimal()) and int(size) > BODY_BYTES:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A picture has at most {UPLOAD_BYTES >> 20} MB.")


def refuse_other_sites(headers: Mapping[str, str], own_name: str) -> None:
    """Refuses what a page of another site makes a browser send; programs send neither header, and pass.

    The name that was asked for counts, too, so that no site can give its own name the address of this machine.

    Args:
        headers: of the request, by names in any case.
        own_name: under which the service is reached from outside.

    Raises:
        Refusal: it comes from another site.
    """
    host = headers.get("host", "")
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    try:
        came_from = host if origin is None else urlsplit(origin).netloc
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:  # brackets that are no address
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
