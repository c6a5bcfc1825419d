"""The pages of the reference and their names. A test checks that each public name is on one page."""

import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from kling_async.lazy_exports import exports
from kling_async.protocol.call import Call
from kling_async.protocol.endpoint import Request
from kling_async.protocol.errors import Difference, KlingError, Problem, Remedy


class Page(NamedTuple):
    """A page of the reference.

    Attributes:
        file: its name, without suffix.
        title: its heading.
        about: the text before the names.
        module: from which the names are imported.
        names: listed names, in the order of the page.
        rule: selects further names, except those that another page lists.
    """

    file: str
    title: str
    about: str
    module: str
    names: str = ""
    rule: Callable[[Any], bool] = lambda _: False


def is_error(value: Any) -> bool:
    """Whether a value is an error, a warning or a part of one."""
    parts = (Problem, Difference, Remedy)
    return value in parts or (inspect.isclass(value) and issubclass(value, KlingError | Warning))


def is_request(value: Any) -> bool:
    """Whether a value can be submitted."""
    return inspect.isclass(value) and issubclass(value, Request | Call)


PAGES: Final = (
    Page(
        "client",
        "The client",
        "One `KlingClient` is one account on one event loop. Its methods are generated from the "
        "[requests](requests.md): each has the parameters of the record with the same name.",
        "kling_async",
        "KlingClient TaskHandle Progress OpenFile PagedList AimedPolling Polling Durations Retry",
    ),
    Page(
        "requests",
        "Requests",
        "A record for each endpoint, with the parameter names of the official documentation. "
        "[The endpoints](../made/endpoints.md) lists them with their paths and prices.",
        "kling_async",
        rule=is_request,
    ),
    Page(
        "parts",
        "Parts of requests",
        "Types of parameters of requests.",
        "kling_async",
        "Image InputImage InputVideo FaceChoice ShotPrompt CameraControl CameraConfig DynamicMask Point Intent "
        "WatermarkInfo ElementImageList ElementVideoList BillingFilter",
    ),
    Page(
        "current",
        "The current generation",
        "Records, parts and checks of `kling_async.current`, for paths that contain the model.",
        "kling_async.current",
        rule=lambda _: True,
    ),
    Page(
        "results",
        "Results",
        "The results of finished tasks, and of calls that create no task.",
        "kling_async",
        "Task TaskStatus Video Picture Audio Sound Voice Element Speech SpeechAudio Faces Face Cost BalanceDeduction "
        "ResourcePack BalanceDetail PackageDetail Deduction",
    ),
    Page(
        "costs",
        "Prices, models and budgets",
        "Prices before and costs after a task, and what each model supports.",
        "kling_async",
        "estimate capabilities Estimate Budget Spending Capability Cell Retirement",
    ),
    Page(
        "journal",
        "Journal and batch",
        "The journal records paid work on disk; a batch runs many requests from one file.",
        "kling_async",
        "Journal PostgresJournal Entry EntryState SavedFile Batch Row RowProblem RowResult RowStatus Plan InvalidBatch",
    ),
    Page(
        "errors",
        "Errors, one by one",
        "The classes with their attributes. [Errors and what to do](../made/errors.md) has the tree and the codes.",
        "kling_async",
        rule=is_error,
    ),
    Page(
        "web",
        "Web services",
        "`kling_async.web`: callbacks, responses with seeking, progress as server-sent events.",
        "kling_async.web",
        rule=lambda _: True,
    ),
    Page(
        "starlette",
        "Starlette and FastAPI",
        "`kling_async.web.starlette`: a response class; importing it needs Starlette.",
        "kling_async.web.starlette",
        rule=lambda _: True,
    ),
    Page(
        "emulator",
        "The emulator",
        "`kling_async.emulator`: a local emulator of the service, for tests and for work without a key.",
        "kling_async.emulator",
        rule=lambda _: True,
    ),
    Page(
        "testing",
        "Testing",
        "`kling_async.testing`: the classes behind the fixtures, which also work without pytest.",
        "kling_async.testing",
        rule=lambda _: True,
    ),
    Page(
        "events",
        "Events",
        "`kling_async.events`: the arguments of `on_event`.",
        "kling_async.events",
        "Event WorkEvent Failure Queued Sent Throttled SendFailed InDoubt Accepted Refused Attached Changed Ended Paid "
        "Saving Saved NotSaved Polled",
    ),
    Page(
        "opentelemetry",
        "OpenTelemetry",
        "`kling_async.opentelemetry`: spans and metrics; importing it needs the extra `opentelemetry`.",
        "kling_async.opentelemetry",
        "Telemetry",
    ),
)
ELSEWHERE: Final = frozenset({"current", "events"})
"""Public names of `kling_async` that are modules and have separate pages."""


def public_names(module: str) -> dict[str, Any]:
    """Returns the public names of a module with their values."""
    loaded = importlib.import_module(module)
    own = [name for name, value in vars(loaded).items() if getattr(value, "__module__", None) == module]
    names = getattr(loaded, "__all__", None) or [name for name in own if not name.startswith("_")]
    return {name: getattr(loaded, name) for name in names if name not in ELSEWHERE}


def contents() -> dict[str, list[str]]:
    """Returns the names on each page, by file; listed ones first.

    Raises:
        LookupError: a public name is on no page.
    """
    public = {page.module: public_names(page.module) for page in PAGES}
    listed = {(page.module, name) for page in PAGES for name in page.names.split()}
    found: dict[str, list[str]] = {}
    for page in PAGES:
        ruled = [name for name, value in public[page.module].items() if page.rule(value)]
        others = sorted((name for name in ruled if (page.module, name) not in listed), key=str.lower)
        found[page.file] = [*page.names.split(), *others]
    on_pages = {(page.module, name) for page in PAGES for name in found[page.file]}
    if missing := {(module, name) for module, names in public.items() for name in names} - on_pages:
        raise LookupError(f"on no page of the reference (docs/tools/reference.py): {sorted(missing)}")
    return found


def pages() -> Iterator[tuple[str, str]]:
    """Yields each page: its file, and its text in Markdown."""
    found = contents()
    documented: dict[int, str] = {}
    for page in PAGES:
        values = {name: getattr(importlib.import_module(page.module), name) for name in found[page.file]}
        blocks = "\n".join(
            f":py:obj:`{name} <{documented[id(value)]}>` is that of `{documented[id(value)]}`.\n"
            if id(value) in documented
            else _directive(page.module, name, value)
            for name, value in values.items()
        )
        documented |= {id(value): f"{page.module}.{name}" for name, value in values.items()}
        yield f"{page.file}.md", f"# {page.title}\n\n{page.about}\n\n```{{eval-rst}}\n{blocks}\n```\n"
    listing = "\n".join(f"{page.title} <{page.file}>" for page in PAGES)
    lines = [
        f"- [{page.title}]({page.file}.md): {', '.join(_linked(page, name) for name in found[page.file])}"
        for page in PAGES
    ]
    parts = ["# Reference", "All public names, from their docstrings.", "\n".join(lines)]
    yield "index.md", "\n\n".join([*parts, f"```{{toctree}}\n:hidden:\n\n{listing}\n```\n"])


def _linked(page: Page, name: str) -> str:
    return f"{{py:obj}}`{name} <{page.module}.{name}>`"


def _directive(module: str, name: str, value: Any) -> str:
    """Returns the autodoc directive for a name, by its kind."""
    if inspect.isclass(value):
        parts = [base for base in value.__mro__[1:] if base.__module__.startswith("kling_async.client")]
        return f".. autoclass:: {module}.{name}\n   :members:\n" + "   :inherited-members:\n" * bool(parts)
    if callable(value):
        return f".. autofunction:: {module}.{name}\n"
    return f".. autodata:: {exports(module)[name]}.{name}\n"  # documented where it is defined
