"""The pytest plugin of kling_async: fixtures and a marker for tests of code that uses it.

It stands beside the package, since it is loaded by each run of pytest where the package is installed: it imports
nothing until a test asks for a fixture.
"""

import contextlib
import gc
import sys
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from kling_async import KlingClient
    from kling_async.testing import FakeClock, KlingEmulator

_MARKER: Final = "kling_faults"
_ON_PYTEST_ASYNCIO: Final = "kling_async_on_pytest_asyncio"
_EMULATORS: Final = ("kling_emulator", "kling_server")
_SCOPES: Final = ("function", "class", "module", "package", "session")

_server_key: Final = pytest.StashKey["KlingEmulator"]()
_item_key: Final = pytest.StashKey[pytest.Item]()
_faulty_key: Final = pytest.StashKey[dict[str, "KlingEmulator"]]()
"""The emulators that have the faults of a test, by the names of their fixtures."""

_NO_RUNNER: Final = (
    "`kling` is a client for asyncio, and nothing here runs async tests: pip install pytest-asyncio, or mark the test "
    "with @pytest.mark.anyio. A test that is not async uses `kling_server`: its base_url, or its environment"
)
_NO_EMULATOR: Final = f"{_MARKER} has no effect: the test uses none of {', '.join(_EMULATORS)}"
_SHARED: Final = (
    f"{_MARKER} has no effect: {{name}} is a fixture of this project which tests share, and would keep the faults: "
    "add them where it is made, or in the test, {name}.faults.add(...)"
)
_LEFT_OPEN: Final = (
    "a client of {name} was left open on an event loop that has ended, so nobody can close it: in a test that is not "
    "async make and close it on the loop, `async with {name}.client() as kling`"
)
_TWO_RUNNERS: Final = (
    "two plugins run this test: pytest-asyncio, in its auto mode, and anyio, by its marker or its fixture "
    "`anyio_backend`, each on an event loop of its own, so the client of {name} cannot be closed on the loop that used "
    "it: use one of them for this test; leave out anyio's, or set asyncio_mode to strict"
)
_OTHER_RUNNER: Final = (
    "kling_async runs on asyncio only, and this test runs on {name}: add a fixture "
    "`anyio_backend` that returns 'asyncio', or leave {name} out of it"
)


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker, and fixtures that only pytest-asyncio can run."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(fault, *, on=None, at=None, every=None, probability=None, seed=0, when=None, times=None): "
        "what goes wrong at kling_emulator or kling_server in this test; the arguments of Faults.add",
    )
    if any(map(config.pluginmanager.hasplugin, ("asyncio", "pytest_asyncio", "pytest_asyncio.plugin"))):
        with contextlib.suppress(ImportError, TypeError):  # a version that has no loop scopes is none that we can use
            config.pluginmanager.register(_closers_for_pytest_asyncio(), _ON_PYTEST_ASYNCIO)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Lets a shared server begin anew for each test, and refuses faults that cannot happen."""
    __tracebackhide__ = True
    names = getattr(item, "fixturenames", ())
    item.config.stash[_item_key] = item
    server = item.config.stash.get(_server_key, None)
    if server is not None:  # also where a test asks for it later
        server.begin()
        if "kling_server" in names:
            _add_faults(server, item, "kling_server")
    yield
    if item.get_closest_marker(_MARKER) is None or item.stash.get(_faulty_key, None):
        return
    for name in _EMULATORS:
        if name in names:
            pytest.fail(_SHARED.format(name=name), pytrace=False)
    if any(marker.name == _MARKER for marker in item.own_markers):
        pytest.fail(_NO_EMULATOR, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, object]:
    """Adds the faults of a test to its emulator, also where the project has a fixture of its own in that place."""
    __tracebackhide__ = True
    emulator = yield
    if fixturedef.argname in _EMULATORS and fixturedef.scope == "function" and hasattr(emulator, "faults"):
        _add_faults(emulator, request.node, fixturedef.argname)
    return emulator


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Refuses clients that a test has left open where nobody closes them: all event loops have ended by now."""
    __tracebackhide__ = True
    emulators = dict(item.stash.setdefault(_faulty_key, {}).items())
    server = item.config.stash.get(_server_key, None)
    if server is not None:
        emulators["kling_server"] = server
    yield
    item.stash[_faulty_key] = {}
    for name, emulator in emulators.items():
        if hasattr(emulator, "forget_stranded"):  # else it is something else of the project
            _refuse_left_open(emulator, item, name)


@pytest.fixture
def kling_clock() -> "FakeClock":
    """A clock that stands still until `advance(seconds)`: tasks of `kling_emulator` then take the service's time."""
    from kling_async.testing import FakeClock  # noqa: PLC0415  (only where it is used)

    return FakeClock()


@pytest.fixture
def _kling_thread(request: pytest.FixtureRequest) -> "Iterator[KlingEmulator]":
    from kling_async.testing import KlingEmulator  # noqa: PLC0415  (only where it is used)

    clock = request.getfixturevalue("kling_clock") if "kling_clock" in request.fixturenames else None
    with KlingEmulator(clock=clock) as emulator:
        yield emulator


@pytest.fixture
def _kling_closing() -> "list[Callable[[], Awaitable[None]]]":
    """What is to be closed after a test, on its event loop."""
    return []


@pytest.fixture
def kling_emulator(
    _kling_thread: "KlingEmulator",
    _kling_closing: "list[Callable[[], Awaitable[None]]]",
    request: pytest.FixtureRequest,
) -> "KlingEmulator":
    """The service for one test, on a free port; clients that it made on the loop of the test are closed after it."""
    closer = _closer(request.node)
    if closer is not None:
        _kling_closing.append(_kling_thread.close_clients)
        request.getfixturevalue(closer)
    return _kling_thread


@pytest.fixture
def kling(
    kling_emulator: "KlingEmulator",
    _kling_closing: "list[Callable[[], Awaitable[None]]]",
    request: pytest.FixtureRequest,
) -> "KlingClient":
    """A client of `kling_emulator`, which waits for next to nothing; closed after the test."""
    closer = _closer(request.node)
    if closer is None:
        pytest.fail(_NO_RUNNER, pytrace=False)
    client = kling_emulator.client()

    async def close() -> None:
        if getattr(client, "is_at_home", True):
            await client.close()

    _kling_closing.append(close)  # by itself: a project's own emulator may live on, with clients that others close
    request.getfixturevalue(closer)
    return client


@pytest.fixture(scope="session")
def kling_server(request: pytest.FixtureRequest) -> "Iterator[KlingEmulator]":
    """The service for all tests of the session, as `base_url` and as `environment`; each test begins with no faults."""
    from kling_async.testing import KlingEmulator  # noqa: PLC0415  (only where it is used)

    with KlingEmulator() as server:
        request.config.stash[_server_key] = server
        item = request.config.stash.get(_item_key, None)
        if item is not None and "kling_server" in getattr(item, "fixturenames", ()):
            _add_faults(server, item, "kling_server")
        yield server
        del request.config.stash[_server_key]


# ------------------------------------------------------------------------------------------ on which event loop


@pytest.fixture
async def _kling_closed_by_anyio(
    _kling_closing: "list[Callable[[], Awaitable[None]]]", anyio_backend_name: str
) -> AsyncIterator[None]:
    if anyio_backend_name != "asyncio":
        pytest.fail(_OTHER_RUNNER.format(name=anyio_backend_name), pytrace=False)
    yield
    for close in _kling_closing:
        await close()


def _closers_for_pytest_asyncio() -> types.ModuleType:
    """Fixtures that close clients, one on the event loop of each scope: a test's client belongs to the test's loop."""
    import pytest_asyncio  # noqa: PLC0415  (it may not be installed)

    module = types.ModuleType(_ON_PYTEST_ASYNCIO)
    for scope in _SCOPES:

        async def close_all(_kling_closing: "list[Callable[[], Awaitable[None]]]") -> AsyncIterator[None]:
            yield
            for close in _kling_closing:
                await close()

        name = _closer_on(scope)
        setattr(module, name, pytest_asyncio.fixture(loop_scope=scope, name=name)(close_all))
    return module


def _closer_on(scope: str) -> str:
    return f"_kling_closed_on_the_loop_of_the_{scope}"


def _closer(item: Any) -> str | None:
    """The fixture that can close clients on the event loop of a test; None where nothing runs async tests."""
    marker = item.get_closest_marker("asyncio")
    on_asyncio = item.config.pluginmanager.hasplugin(_ON_PYTEST_ASYNCIO)
    if "anyio_backend" in getattr(item, "fixturenames", ()) and not (on_asyncio and marker):
        return "_kling_closed_by_anyio"
    if not on_asyncio:
        return None
    given = {} if marker is None else marker.kwargs
    scope = given.get("loop_scope") or given.get("scope")
    if scope is None:
        with contextlib.suppress(ValueError):  # older versions have no such option
            scope = item.config.getini("asyncio_default_test_loop_scope")
    return _closer_on(scope or "function")


def _refuse_left_open(emulator: "KlingEmulator", item: Any, name: str) -> None:
    if emulator.forget_stranded():
        # What their remains would complain of later would be blamed on other tests.
        getattr(item, "funcargs", {}).clear()
        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
        try:
            gc.collect()
        finally:
            sys.unraisablehook = hook
        message = _TWO_RUNNERS if _has_two_runners(item) else _LEFT_OPEN
        pytest.fail(message.format(name=name), pytrace=False)


def _has_two_runners(item: Any) -> bool:
    """Whether pytest-asyncio has made a test its own which anyio prepares."""
    is_pytest_asyncios = type(item).__module__.partition(".")[0] == "pytest_asyncio"
    return is_pytest_asyncios and "anyio_backend" in getattr(item, "fixturenames", ())


# ------------------------------------------------------------------------------------------------------- faults


def _add_faults(emulator: "KlingEmulator", item: pytest.Item, name: str) -> None:
    """Adds what the markers say, those nearest to the test first: a call has the first fault that fits."""
    faulty = item.stash.setdefault(_faulty_key, {})
    if any(emulator is each for each in faulty.values()):
        return  # a fixture of the project, that gives the one of the same name
    faulty[name] = emulator
    for marker in item.iter_markers(_MARKER):
        add: Callable[..., None] = emulator.faults.add
        try:
            add(*marker.args, **marker.kwargs)
        except (TypeError, ValueError) as error:
            refused = f"{_MARKER}: {error}"
        else:
            continue
        pytest.fail(refused, pytrace=False)  # out here, so that it does not say the same twice
