"""A handle's result as a response for Starlette and FastAPI; importing this module needs Starlette."""

from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kling_async.handle import TaskHandle
from kling_async.web.responses import asgi_response


class TaskResponse(Response):
    """Answers with a handle's result, once the task has ended.

    ```python
    @app.api_route("/videos/{reference}", methods=["GET", "HEAD"])
    async def video(reference: str) -> TaskResponse:
        return TaskResponse(kling.attach(reference))
    ```

    The responses, including errors, are those of `kling_async.web.aiohttp_response`.

    Args:
        handle: the handle whose (first) file is sent. Checking that the user may see it is up to the caller.
        watermark: sends the watermarked variant, if `watermark_info` requested one.
        headers: to send as well, as with `kling_async.web.aiohttp_response`; more headers and cookies can be set as on
            other Starlette responses.
    """

    def __init__(
        self, handle: TaskHandle, *, watermark: bool = False, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(headers=headers)
        self._handle = handle
        self._watermark = watermark

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response, then runs the background task, if there is one."""
        await asgi_response(self._handle, watermark=self._watermark, headers=self.headers)(scope, receive, send)
        if self.background is not None:
            await self.background()
