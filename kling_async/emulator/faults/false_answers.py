"""Answers that the service itself would not send."""

import copy
import json
from http import HTTPStatus
from typing import Final

from aiohttp import web

from .fault import Fault
from .reshape import found, reshaped

_PAGE: Final = """<!DOCTYPE html>
<html><head><title>{0}</title></head>
<body><center><h1>{0}</h1></center><hr><center>gateway</center></body></html>
"""
_WORDS: Final = {each.value: each.phrase for each in HTTPStatus} | {
    200: "Please wait",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}


def foreign_answer(fault: Fault) -> web.Response:
    """Returns a page or a body that is not the service's, such as a gateway's."""
    if fault.kind == "gateway":
        return _page(fault.status)
    if isinstance(fault.body, str):
        return web.Response(text=fault.body, status=fault.status)
    return web.json_response(fault.body, status=fault.status)


def reshaped_answer(whole: web.Response, fault: Fault) -> web.Response:
    """Returns the true answer, changed if it has the values in `where`."""
    body = json.loads(whole.text or "")
    if all(value in found(body, pointer) for pointer, value in (fault.where or {}).items()):
        body = reshaped(body, copy.deepcopy(fault.changes or {}), fault.without)
    return web.json_response(body, status=whole.status)


def _page(status: int) -> web.Response:
    words = _WORDS.get(status, "Unknown Error")
    title = words if status == 200 else f"{status} {words}"
    return web.Response(status=status, text=_PAGE.format(title), content_type="text/html")
