"""Kling in a web service: callbacks, received in any framework."""

import typing

from kling_async import lazy_exports

if typing.TYPE_CHECKING:
    from kling_async.web.receiver import CallbackReceiver as CallbackReceiver
    from kling_async.web.receiver import WebhookAnswer as WebhookAnswer
else:
    __getattr__, __dir__ = lazy_exports.import_on_use(__name__)
