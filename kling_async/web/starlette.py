"""A handle's result as a response of Starlette, and so of FastAPI; importing this needs Starlette."""

from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kling_async.handle import TaskHandle
from kling_async.web.responses import asgi_response


class TaskResponse(Response):
    """Answers with a handle's result, once it is there.

    ```python
    @app.api_route("/videos/{reference}", methods=["GET", "HEAD"])
    async def video(reference: str) -> TaskResponse:
        return TaskResponse(kling.attach(reference))
    ```

    What is answered, errors too, is as with `kling_async.web.aiohttp_response`.

    Args:
        handle: whose (first) file is sent. Whether the asker may see it is up to you.
        watermark: the watermarked variant, if `watermark_info` asked for one.
        headers: to send as well, as with `kling_async.web.aiohttp_response`; more of them, and cookies, can be set as
            with other responses of Starlette.
    """

    def __init__(
        self, handle: TaskHandle, *, watermark: bool = False, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(headers=headers)
        self._handle = handle
        self._watermark = watermark

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        await asgi_response(self._handle, watermark=self._watermark, headers=self.headers)(scope, receive, send)
        if self.background is not None:
            await self.background()
