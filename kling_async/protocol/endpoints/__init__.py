"""The endpoints, one file each: the record of its requests, its rules, its capability map and its prices.

Names of records are imported from here when they are first used. An endpoint is added by its file and by one line for
type checkers below; nothing else has to be told of it.
"""

import functools
import importlib
import pkgutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.reference import RAW_PREFIX

if TYPE_CHECKING:
    from kling_async.protocol.endpoints.videos.image_to_video import ImageToVideo as ImageToVideo
    from kling_async.protocol.endpoints.videos.text_to_video import TextToVideo as TextToVideo


def endpoint_of(request: object) -> Endpoint[Any] | None:
    """The endpoint that takes this request, or None."""
    from kling_async.protocol import raw  # noqa: PLC0415  (on first use: its rules take time)

    if isinstance(request, raw.RawTask):
        return raw.endpoint_at(request.path, finds_by_external_id=request.finds_by_external_id)
    return endpoint_for(type(request))


def endpoint_for(record: type) -> Endpoint[Any] | None:
    """The endpoint whose requests are of this class, or None."""
    if record.__module__ not in _modules().values():
        return None
    found: Endpoint[Any] = importlib.import_module(record.__module__).ENDPOINT
    return found if record is found.record else None


@functools.lru_cache(maxsize=256)
def endpoint_named(name: str) -> Endpoint[Any] | None:
    """The endpoint whose references begin with this name, or None."""
    if name.startswith(RAW_PREFIX):
        from kling_async.protocol import raw  # noqa: PLC0415  (as above)

        path = name.removeprefix(RAW_PREFIX)
        return raw.endpoint_at(path) if raw.is_path(path) else None
    return next((endpoint for endpoint in all_endpoints() if endpoint.name == name), None)


def all_endpoints() -> Iterator[Endpoint[Any]]:
    """One after the other, each imported when it is its turn."""
    for path in _modules().values():
        yield importlib.import_module(path).ENDPOINT


@functools.cache
def _modules() -> dict[str, str]:
    """The modules of the endpoints: their last names, and the whole ones."""
    folders = [f"{__name__}.{folder.name}" for folder in pkgutil.iter_modules(__path__)]
    return {
        module.name: f"{folder}.{module.name}"
        for folder in folders
        for module in pkgutil.iter_modules(importlib.import_module(folder).__path__)
    }


def __getattr__(name: str) -> type:
    """A record: `TextToVideo` stands in `text_to_video`."""
    module = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
    if not name.startswith("_") and module in _modules():
        record: type = getattr(importlib.import_module(_modules()[module]), name)
        return record
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
