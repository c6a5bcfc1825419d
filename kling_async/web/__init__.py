"""For web services, in any framework: callbacks, responses that a browser can seek in, and progress events.

`kling_async.web.starlette` has a response for FastAPI and Starlette; no other module here imports them.
"""

import typing

from kling_async import lazy_exports

if typing.TYPE_CHECKING:
    from kling_async.web.events import EVENT_HEADERS as EVENT_HEADERS
    from kling_async.web.events import progress_events as progress_events
    from kling_async.web.receiver import CallbackReceiver as CallbackReceiver
    from kling_async.web.receiver import WebhookAnswer as WebhookAnswer
    from kling_async.web.responses import aiohttp_response as aiohttp_response
    from kling_async.web.responses import asgi_response as asgi_response
else:
    __getattr__, __dir__ = lazy_exports.import_on_use(__name__)
