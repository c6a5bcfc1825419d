"""The service's error codes, and the exception with which the emulator refuses a call."""

from typing import Final

HTTP_STATUS: Final[dict[int, int]] = {
    1000: 401,
    1001: 401,
    1002: 401,
    1003: 401,
    1004: 401,
    1100: 429,
    1101: 429,
    1102: 429,
    1103: 403,
    1200: 400,
    1201: 400,
    1202: 404,
    1203: 404,
    1300: 400,
    1301: 400,
    1302: 429,
    1303: 429,
    1304: 429,
    5000: 500,
    5001: 503,
    5002: 504,
}
"""HTTP status of each business code, from the official error table."""


class Refusal(Exception):
    """A call is refused with an error body, and has no effect.

    Args:
        code: A business code of the error table.
        message: The text of the body's `message`.
        anonymous: Whether the body lacks a `request_id`; observed on some refusals of the gateway, made
            before a request gets its id.
    """

    def __init__(self, code: int, message: str, *, anonymous: bool = False) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.anonymous = anonymous

    @property
    def http_status(self) -> int:
        """The HTTP status that the error table pairs with the code."""
        return HTTP_STATUS[self.code]


def invalid(message: str) -> Refusal:
    """Returns the refusal of an invalid value: code 1201, which also means "not found" and "already exists"."""
    return Refusal(1201, message)
