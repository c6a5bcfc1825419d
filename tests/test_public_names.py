import inspect
from decimal import Decimal
from typing import Any

import pytest

import kling_async
from kling_async import Cell, Estimate, ImageToVideo, capabilities, estimate
from kling_async.protocol import errors
from kling_async.protocol.errors import KlingError

NAMES = """
    AccountCosts
    AccountError
    AimedPolling
    ApiError
    Audio
    AuthenticationError
    Avatar
    BadResponse
    BalanceDeduction
    BalanceDetail
    Batch
    BatchError
    BillingBalance
    BillingFilter
    BillingPackage
    Budget
    BudgetExceeded
    Call
    CallInDoubt
    CameraConfig
    CameraControl
    Capability
    CapabilityWarning
    Cell
    ClientClosed
    ConcurrencyExceeded
    ConfigurationError
    ConnectionFailed
    ContentRefused
    Cost
    CreateElement
    CreateInDoubt
    CreateVoice
    Deduction
    DeleteElement
    DeleteVoice
    Difference
    DownloadError
    Durations
    DynamicMask
    Element
    ElementImageList
    ElementVideoList
    Entry
    EntryState
    Estimate
    ExpandImage
    ExternalTaskIdConflict
    Face
    FaceChoice
    Faces
    FleetError
    GenerateImages
    IdentifyFaces
    Image
    ImageFileMissing
    ImageToVideo
    InDoubt
    InputImage
    InputVideo
    InsufficientBalance
    Intent
    InvalidBatch
    InvalidReference
    InvalidRequest
    Journal
    JournalError
    KeyConflict
    KlingClient
    KlingError
    LeaseLost
    LipSync
    MediaFileMissing
    ModelRetired
    MotionControl
    MultiImageToImage
    NotTheService
    OmniImage
    OmniVideo
    OpenFile
    PackageDetail
    PagedList
    PermissionRefused
    Picture
    Plan
    Point
    Polling
    PostgresJournal
    PresetElements
    PresetVoices
    Problem
    Progress
    QueueTimeout
    RateLimited
    RawCall
    RawTask
    Remedy
    Request
    RequestRefused
    RequestTimeout
    ResourcePack
    RetiredModelWarning
    Retirement
    Retry
    Row
    RowProblem
    RowResult
    RowStatus
    SaveInProgress
    SavedFile
    ServerError
    ShotPrompt
    Sound
    Speech
    SpeechAudio
    Spending
    TargetError
    TargetExists
    Task
    TaskError
    TaskFailed
    TaskHandle
    TaskNotFound
    TaskStatus
    TaskTimeout
    TextToAudio
    TextToSpeech
    TextToVideo
    TokenTimeError
    UnexpectedAnswer
    UnknownStatus
    Video
    VideoEffect
    VideoToAudio
    Voice
    WatermarkInfo
    WrongEventLoop
    capabilities
    current
    estimate
    events
"""
PACKAGE: Any = kling_async  # as at run time: type checkers know its names, and no others
ERRORS = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, KlingError | Warning) and kind.__module__ == errors.__name__
}


def test_all_that_is_public_is_listed() -> None:
    """`__all__` is sorted, complete and as documented: every name that is neither private nor a module."""
    public = {name for name, thing in vars(kling_async).items() if name[0] != "_" and not inspect.ismodule(thing)}
    assert NAMES.split() == PACKAGE.__all__
    assert public <= set(PACKAGE.__all__) <= set(dir(kling_async))


def test_every_error_is_public() -> None:
    """Users can name every error and warning that the package raises."""
    exported = {name: getattr(kling_async, name, None) for name in ERRORS}
    assert exported == ERRORS


@pytest.mark.parametrize("name", PACKAGE.__all__)
def test_every_public_name_is_explained(name: str) -> None:
    """Every exported name has a docstring."""
    thing = getattr(kling_async, name)
    assert vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__


def test_lazy_names_exist() -> None:
    """Names of slow modules are imported on first use; unknown names raise an AttributeError."""
    found = [getattr(kling_async, name).__name__.removeprefix("kling_async.") for name in NAMES.split()]
    assert found == NAMES.split()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = PACKAGE.nothing


def test_the_map_is_public() -> None:
    """The features of each model and the price of a request are available without a client or a key."""
    [row] = [row for row in capabilities() if (row.model_name, row.mode, row.duration) == ("kling-v2-6", "pro", 10)]
    assert (row.tail, row.camera) == (Cell.YES, Cell.NO)
    assert estimate(ImageToVideo(mode="pro", duration=10)) == Estimate(units=Decimal("5.0"), usd=Decimal("0.70"))
    assert estimate(ImageToVideo(model_name="kling-v9")) == Estimate(units=None, usd=None)


def drawn_tree() -> dict[str, tuple[str | None, str | None]]:
    """Name of each class in the drawing -> its parent, and the built-in class named beside it."""
    tree: dict[str, tuple[str | None, str | None]] = {}
    way: list[str] = []
    _, root, lines = (errors.__doc__ or "").partition("KlingError\n")
    for line in (root + lines).splitlines():
        bare = line.lstrip("│├└─ ")
        name, _, rest = bare.partition(" ")
        del way[(len(line) - len(bare)) // 4 :]
        beside = rest.strip()
        tree[name] = (way[-1] if way else None, beside[1:].partition(")")[0] if beside.startswith("(") else None)
        way.append(name)
    return tree


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    """The drawing has every error class, under its real parent, with its built-in base class."""
    real: dict[str, tuple[str | None, str | None]] = {"KlingError": (None, None)}
    for name, kind in ERRORS.items():
        if issubclass(kind, KlingError) and kind is not KlingError:
            parent, builtin = (*kind.__bases__, None)[:2]
            assert parent is not None
            real[name] = (parent.__name__, builtin.__name__ if builtin else None)
    assert real == drawn_tree()
