"""A handle's result as a response of Starlette, and so of FastAPI; importing this needs Starlette."""

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
    """

    def __init__(self, handle: TaskHandle, *, watermark: bool = False) -> None:
        super().__init__()
        self._app = asgi_response(handle, watermark=watermark)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        await self._app(scope, receive, send)
        if self.background is not None:
            await self.background()
