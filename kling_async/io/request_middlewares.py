"""What aiohttp adds to a request or does to it by itself, taken back just before it is sent."""

from collections.abc import Mapping

import aiohttp


def replace_authorization(authorization: str | None) -> aiohttp.ClientMiddlewareType:
    """A middleware that sends this `Authorization` header, or none, in place of any other."""

    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        request.headers.pop("Authorization", None)
        if authorization is not None:
            request.headers["Authorization"] = authorization
        return await handler(request)

    return send


async def send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A middleware that keeps aiohttp from sending GET, PUT and DELETE again where a connection breaks off."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # nothing was sent, and aiohttp does not repeat it
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(type(error).__name__) from None


class ReplaceHeaders:
    """Sends these headers only, whatever a borrowed session, its cookies, its `auth` or a `.netrc` would add."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Sends the request with them."""
        request.headers.clear()
        request.headers.update({"Host": request.url.host_port_subcomponent or "", **self._headers})
        return await handler(request)
