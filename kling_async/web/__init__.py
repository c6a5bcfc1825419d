"""What a web service needs of a handle: its result as an answer that a browser can seek, and its progress as events.

`kling_async.web.starlette` has a response for FastAPI and Starlette; nothing here imports either.
"""

from kling_async.web.events import EVENT_HEADERS as EVENT_HEADERS
from kling_async.web.events import events as events
from kling_async.web.responses import aiohttp_response as aiohttp_response
from kling_async.web.responses import asgi_response as asgi_response
