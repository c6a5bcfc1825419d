"""Rules for the options of every create: watermark, callback and the caller's id."""

import unicodedata
from collections.abc import Iterator
from typing import Any, Protocol

from kling_async.protocol.errors import Problem
from kling_async.protocol.records import WatermarkInfo
from kling_async.protocol.rules.values import is_address, shown, text, unread

EXTERNAL_TASK_ID_MOST = 256  # characters; not documented: our own limit, as the id has to fit into an address


class HasWatermarkInfo(Protocol):
    """A request that can have a watermarked variant."""

    @property
    def watermark_info(self) -> WatermarkInfo | None:
        """Whether a watermarked variant is made."""
        ...


class HasCallbackUrl(Protocol):
    """A request whose task can be reported to an address."""

    @property
    def callback_url(self) -> str | None:
        """The address that the service posts to."""
        ...


class HasExternalTaskId(Protocol):
    """A request whose task can have the caller's id."""

    @property
    def external_task_id(self) -> str | None:
        """Unique in the account."""
        ...


def watermark_info(request: HasWatermarkInfo) -> Iterator[Problem]:
    """Requires a record with a boolean."""
    value: Any = request.watermark_info
    if isinstance(value, WatermarkInfo):
        enabled: Any = value.enabled
        if not isinstance(enabled, bool):
            yield Problem("watermark_info.enabled", f"expected True or False, got {shown(enabled)}")
    elif value is not None:
        yield Problem("watermark_info", unread(value, WatermarkInfo))


def callback_url(request: HasCallbackUrl) -> Iterator[Problem]:
    """Requires an address that the service can post to. The message does not repeat it: it may contain a secret."""
    value: Any = request.callback_url
    if value is None:
        return
    problems = list(text("callback_url", value))
    yield from problems
    if not problems and not is_address(value):
        yield Problem("callback_url", "expected an http:// or https:// address with a host and without spaces")


def external_task_id(request: HasExternalTaskId) -> Iterator[Problem]:
    """Requires text that can be a segment of an address, since the task is looked up by it.

    The documentation only requires it to be unique. Ids that would break the look-up are refused: those with control
    characters, `.` and `..` (which addresses resolve away), spaces at the ends (which a reference loses), and more than
    256 characters. A slash passes: it is sent as `%2F`.
    """
    value: Any = request.external_task_id
    if value is None:
        return
    problems = list(text("external_task_id", value, most=EXTERNAL_TASK_ID_MOST))
    yield from problems
    if problems:
        return
    if value in {".", ".."} or value != value.strip() or any(unicodedata.category(one) == "Cc" for one in value):
        yield Problem(
            "external_task_id",
            f"{shown(value)} cannot be looked up: it must not be '.' or '..', begin or end with a space, or contain "
            "control characters",
        )
