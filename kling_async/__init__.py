"""Turn images into videos with the Kling AI API: asyncio-native, typed, never pays twice.

```python
async with KlingClient() as kling:
    request = ImageToVideo(image="cat.jpg", prompt="the cat turns its head")
    path = await kling.generate(request, "cat.mp4")
```
"""

import typing

from kling_async.client import KlingClient
from kling_async.handle import TaskHandle
from kling_async.protocol.endpoint import Estimate
from kling_async.protocol.errors import (
    AccountError,
    ApiError,
    AuthenticationError,
    BadResponse,
    CapabilityWarning,
    ClientClosed,
    ConcurrencyExceeded,
    ConfigurationError,
    ConnectionFailed,
    ContentRefused,
    CreateInDoubt,
    DownloadError,
    ExternalTaskIdConflict,
    ImageFileMissing,
    InsufficientBalance,
    InvalidReference,
    InvalidRequest,
    KlingError,
    NotTheService,
    PermissionRefused,
    Problem,
    QueueTimeout,
    RateLimited,
    Remedy,
    RequestRefused,
    RequestTimeout,
    SaveInProgress,
    ServerError,
    TargetError,
    TargetExists,
    TaskError,
    TaskFailed,
    TaskNotFound,
    TaskTimeout,
    TokenTimeError,
    UnknownStatus,
    WrongEventLoop,
)
from kling_async.protocol.media.image import Image
from kling_async.protocol.polling.estimates import Durations
from kling_async.protocol.polling.schedule import AimedPolling, Polling
from kling_async.protocol.records import (
    CameraConfig,
    CameraControl,
    DynamicMask,
    Intent,
    Point,
    ShotPrompt,
    WatermarkInfo,
)
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import BalanceDeduction, Element, Task, TaskStatus, Video, Voice

if typing.TYPE_CHECKING:
    from kling_async.protocol.capability import Capability, Cell
    from kling_async.protocol.endpoints import ImageToVideo as ImageToVideo

    __version__: str

__all__ = [
    "AccountError",
    "AimedPolling",
    "ApiError",
    "AuthenticationError",
    "BadResponse",
    "BalanceDeduction",
    "CameraConfig",
    "CameraControl",
    "Capability",
    "CapabilityWarning",
    "Cell",
    "ClientClosed",
    "ConcurrencyExceeded",
    "ConfigurationError",
    "ConnectionFailed",
    "ContentRefused",
    "CreateInDoubt",
    "DownloadError",
    "Durations",
    "DynamicMask",
    "Element",
    "Estimate",
    "ExternalTaskIdConflict",
    "Image",
    "ImageFileMissing",
    "ImageToVideo",
    "InsufficientBalance",
    "Intent",
    "InvalidReference",
    "InvalidRequest",
    "KlingClient",
    "KlingError",
    "NotTheService",
    "PermissionRefused",
    "Point",
    "Polling",
    "Problem",
    "QueueTimeout",
    "RateLimited",
    "Remedy",
    "RequestRefused",
    "RequestTimeout",
    "Retry",
    "SaveInProgress",
    "ServerError",
    "ShotPrompt",
    "TargetError",
    "TargetExists",
    "Task",
    "TaskError",
    "TaskFailed",
    "TaskHandle",
    "TaskNotFound",
    "TaskStatus",
    "TaskTimeout",
    "TokenTimeError",
    "UnknownStatus",
    "Video",
    "Voice",
    "WatermarkInfo",
    "WrongEventLoop",
    "capabilities",
    "estimate",
]


def capabilities(record: type | None = None) -> "tuple[Capability, ...]":
    """What each model can do, in each mode and duration: the map behind the refusals that `strict=False` lifts.

    Args:
        record: whose map, such as `TextToVideo`; `ImageToVideo` where it is None.

    Raises:
        InvalidRequest: it is no record of an endpoint.
    """
    from kling_async.protocol import endpoints  # noqa: PLC0415  (on first use: the maps take time)

    endpoint = endpoints.endpoint_for(record or endpoints.ImageToVideo)
    if endpoint is None:
        raise InvalidRequest.of([Problem("record", "expected the record of an endpoint, such as ImageToVideo")])
    return endpoint.capabilities.rows if endpoint.capabilities else ()


def estimate(request: object) -> Estimate:
    """What a request costs by the price table, in units and dollars; None where no price is known.

    Raises:
        InvalidRequest: it is no request of an endpoint.
    """
    from kling_async.protocol.endpoints import endpoint_of  # noqa: PLC0415  (as above)

    endpoint = endpoint_of(request)
    if endpoint is None:
        raise InvalidRequest.of([Problem("request", "expected a request, such as ImageToVideo(...)")])
    return endpoint.estimate(request)


def __getattr__(name: str) -> object:
    """What takes time to import is imported when it is asked for."""
    if name in {"Capability", "Cell"}:
        from kling_async.protocol import capability  # noqa: PLC0415  (as above)

        return getattr(capability, name)
    if name == "ImageToVideo":
        from kling_async.protocol.endpoints import ImageToVideo  # noqa: PLC0415  (as above)

        return ImageToVideo
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415  (reads files)

        return version("kling-async")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
