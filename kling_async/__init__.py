"""Turn images into videos with the Kling AI API: asyncio-native, typed, never pays twice.

```python
async with KlingClient() as kling:
    request = ImageToVideo(image="cat.jpg", prompt="the cat turns its head")
    path = await kling.generate(request, "cat.mp4")
```
"""

import typing

from kling_async import lazy_exports
from kling_async.version import __version__ as __version__

# Each name is written once; `Name as Name` exports it. Imports take time, so each happens on first use.
if typing.TYPE_CHECKING:
    from kling_async import current as current
    from kling_async import events as events
    from kling_async.batch.batch import Batch as Batch
    from kling_async.batch.plan import Plan as Plan
    from kling_async.batch.result import RowResult as RowResult
    from kling_async.batch.result import RowStatus as RowStatus
    from kling_async.batch.row import InvalidBatch as InvalidBatch
    from kling_async.batch.row import Row as Row
    from kling_async.batch.row import RowProblem as RowProblem
    from kling_async.client import KlingClient as KlingClient
    from kling_async.handle import TaskHandle as TaskHandle
    from kling_async.io.open_file import OpenFile as OpenFile
    from kling_async.io.paged_list import PagedList as PagedList
    from kling_async.journal.entry import Entry as Entry
    from kling_async.journal.entry import EntryState as EntryState
    from kling_async.journal.entry import SavedFile as SavedFile
    from kling_async.journal.journal import Journal as Journal
    from kling_async.journal.postgres.journal import PostgresJournal as PostgresJournal
    from kling_async.protocol.budget import Budget as Budget
    from kling_async.protocol.budget import Spending as Spending
    from kling_async.protocol.call import Call as Call
    from kling_async.protocol.capability import Capability as Capability
    from kling_async.protocol.capability import Cell as Cell
    from kling_async.protocol.capability import Retirement as Retirement
    from kling_async.protocol.cost import Cost as Cost
    from kling_async.protocol.endpoint import Request as Request
    from kling_async.protocol.endpoints import *  # noqa: F403  (each endpoint exports its record there)
    from kling_async.protocol.errors import AccountError as AccountError
    from kling_async.protocol.errors import ApiError as ApiError
    from kling_async.protocol.errors import AuthenticationError as AuthenticationError
    from kling_async.protocol.errors import BadResponse as BadResponse
    from kling_async.protocol.errors import BatchError as BatchError
    from kling_async.protocol.errors import BudgetExceeded as BudgetExceeded
    from kling_async.protocol.errors import CallInDoubt as CallInDoubt
    from kling_async.protocol.errors import CapabilityWarning as CapabilityWarning
    from kling_async.protocol.errors import ClientClosed as ClientClosed
    from kling_async.protocol.errors import ConcurrencyExceeded as ConcurrencyExceeded
    from kling_async.protocol.errors import ConfigurationError as ConfigurationError
    from kling_async.protocol.errors import ConnectionFailed as ConnectionFailed
    from kling_async.protocol.errors import ContentRefused as ContentRefused
    from kling_async.protocol.errors import CreateInDoubt as CreateInDoubt
    from kling_async.protocol.errors import Difference as Difference
    from kling_async.protocol.errors import DownloadError as DownloadError
    from kling_async.protocol.errors import ExternalTaskIdConflict as ExternalTaskIdConflict
    from kling_async.protocol.errors import FleetError as FleetError
    from kling_async.protocol.errors import ImageFileMissing as ImageFileMissing
    from kling_async.protocol.errors import InDoubt as InDoubt
    from kling_async.protocol.errors import InsufficientBalance as InsufficientBalance
    from kling_async.protocol.errors import InvalidReference as InvalidReference
    from kling_async.protocol.errors import InvalidRequest as InvalidRequest
    from kling_async.protocol.errors import JournalError as JournalError
    from kling_async.protocol.errors import KeyConflict as KeyConflict
    from kling_async.protocol.errors import KlingError as KlingError
    from kling_async.protocol.errors import LeaseLost as LeaseLost
    from kling_async.protocol.errors import MediaFileMissing as MediaFileMissing
    from kling_async.protocol.errors import ModelRetired as ModelRetired
    from kling_async.protocol.errors import NotTheService as NotTheService
    from kling_async.protocol.errors import PermissionRefused as PermissionRefused
    from kling_async.protocol.errors import Problem as Problem
    from kling_async.protocol.errors import QueueTimeout as QueueTimeout
    from kling_async.protocol.errors import RateLimited as RateLimited
    from kling_async.protocol.errors import Remedy as Remedy
    from kling_async.protocol.errors import RequestRefused as RequestRefused
    from kling_async.protocol.errors import RequestTimeout as RequestTimeout
    from kling_async.protocol.errors import RetiredModelWarning as RetiredModelWarning
    from kling_async.protocol.errors import SaveInProgress as SaveInProgress
    from kling_async.protocol.errors import ServerError as ServerError
    from kling_async.protocol.errors import TargetError as TargetError
    from kling_async.protocol.errors import TargetExists as TargetExists
    from kling_async.protocol.errors import TaskError as TaskError
    from kling_async.protocol.errors import TaskFailed as TaskFailed
    from kling_async.protocol.errors import TaskNotFound as TaskNotFound
    from kling_async.protocol.errors import TaskTimeout as TaskTimeout
    from kling_async.protocol.errors import TokenTimeError as TokenTimeError
    from kling_async.protocol.errors import UnexpectedAnswer as UnexpectedAnswer
    from kling_async.protocol.errors import UnknownStatus as UnknownStatus
    from kling_async.protocol.errors import WrongEventLoop as WrongEventLoop
    from kling_async.protocol.estimate import Estimate as Estimate
    from kling_async.protocol.faces import Face as Face
    from kling_async.protocol.faces import Faces as Faces
    from kling_async.protocol.media.image import Image as Image
    from kling_async.protocol.media.picture import Picture as Picture
    from kling_async.protocol.media.sound import Sound as Sound
    from kling_async.protocol.polling.durations import Durations as Durations
    from kling_async.protocol.polling.progress import Progress as Progress
    from kling_async.protocol.polling.schedule import AimedPolling as AimedPolling
    from kling_async.protocol.polling.schedule import Polling as Polling
    from kling_async.protocol.raw import RawCall as RawCall
    from kling_async.protocol.raw import RawTask as RawTask
    from kling_async.protocol.records import CameraConfig as CameraConfig
    from kling_async.protocol.records import CameraControl as CameraControl
    from kling_async.protocol.records import DynamicMask as DynamicMask
    from kling_async.protocol.records import Intent as Intent
    from kling_async.protocol.records import Point as Point
    from kling_async.protocol.records import ShotPrompt as ShotPrompt
    from kling_async.protocol.records import WatermarkInfo as WatermarkInfo
    from kling_async.protocol.results import Audio as Audio
    from kling_async.protocol.results import BalanceDeduction as BalanceDeduction
    from kling_async.protocol.results import Element as Element
    from kling_async.protocol.results import Video as Video
    from kling_async.protocol.results import Voice as Voice
    from kling_async.protocol.retry import Retry as Retry
    from kling_async.protocol.speech import Speech as Speech
    from kling_async.protocol.speech import SpeechAudio as SpeechAudio
    from kling_async.protocol.tasks import Task as Task
    from kling_async.protocol.tasks import TaskStatus as TaskStatus
else:
    __getattr__, __dir__ = lazy_exports.import_on_use(__name__)


def capabilities(record: "type[Request] | None" = None) -> "tuple[Capability, ...]":
    """Returns what each model supports, per mode and duration: the rules that `strict=False` turns into warnings.

    Args:
        record: the endpoint's record class; `ImageToVideo` if None.

    Raises:
        InvalidRequest: `record` is not the record of an endpoint.
    """
    from kling_async.protocol import catalog, endpoints  # noqa: PLC0415  (on first use: the maps take time)
    from kling_async.protocol.errors import InvalidRequest, Problem  # noqa: PLC0415  (as above)

    endpoint = catalog.endpoint_for(record or endpoints.ImageToVideo)
    if endpoint is None:
        raise InvalidRequest.of([Problem("record", "expected the record of an endpoint, such as ImageToVideo")])
    return endpoint.capabilities.rows if endpoint.capabilities else ()


def estimate(request: "Request | Call[object]") -> "Estimate":
    """Returns what a request costs by the price table, in units and dollars; None where no price is known.

    Raises:
        InvalidRequest: `request` is not a request of an endpoint.
    """
    from kling_async.protocol.catalog import call_endpoint_of, endpoint_of  # noqa: PLC0415  (as above)
    from kling_async.protocol.errors import InvalidRequest, Problem  # noqa: PLC0415  (as above)

    endpoint = endpoint_of(request) or call_endpoint_of(request)
    if endpoint is None:
        raise InvalidRequest.of([Problem("request", "expected a request, such as ImageToVideo(...)")])
    return endpoint.estimate(request)
