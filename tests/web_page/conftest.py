from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from kling_async.emulator.service import video_models
from tests.emulator.browser import Browser

from .person import PATIENCE
from .stage import BACKENDS, Stage, stage


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BACKENDS)
async def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Run each of the two backends for all tests of a file, as starting one takes longer than most of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(video_models.SHORT_SIDE, "std", 360)
        async with stage(request.param, tmp_path_factory.mktemp("backend")) as running:
            yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def window(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """Run one browser for all tests of a file."""
    async with Browser(tmp_path_factory.mktemp("profile"), width=1366, height=768) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def served(backend: Stage) -> Stage:
    """Reset the backend, with no requests counted and tasks that take some seconds."""
    await backend.forget()
    return backend


@pytest_asyncio.fixture(loop_scope="module")
async def browser(window: Browser, served: Stage) -> Browser:
    """Open the page without cookies, and wait until its options are loaded."""
    await window.resize(1366, 768)
    await window.open(served.url)
    await window.forget()
    await window.complaints()
    await window.open(served.url)
    await window.until("return document.getElementById('price').textContent", PATIENCE)
    return window
