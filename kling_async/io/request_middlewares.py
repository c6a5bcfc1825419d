"""Middlewares that undo what aiohttp adds to a request by itself, just before it is sent."""

from collections.abc import Mapping

import aiohttp


def replace_authorization(authorization: str | None) -> aiohttp.ClientMiddlewareType:
    """Returns a middleware that replaces any `Authorization` header by this one, or removes it."""

    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        request.headers.pop("Authorization", None)
        if authorization is not None:
            request.headers["Authorization"] = authorization
        return await handler(request)

    return send


async def send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A middleware that prevents aiohttp from repeating GET, PUT and DELETE after a broken connection."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # nothing was sent, and aiohttp does not repeat it
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(type(error).__name__) from None


class ReplaceHeaders:
    """A middleware that sends only these headers: none of a borrowed session, its cookies, its `auth` or a `.netrc`."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Replaces the headers and sends the request."""
        request.headers.clear()
        request.headers.update({"Host": request.url.host_port_subcomponent or "", **self._headers})
        return await handler(request)
