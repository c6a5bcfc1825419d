from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from kling_async.emulator.service import video_models
from tests.emulator.browser import Browser

from .person import PATIENCE
from .stage import BACKENDS, Stage, stage


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BACKENDS)
async def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Give each of the two backends, running for all tests of a file: to start one takes longer than most of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(video_models.SHORT_SIDE, "std", 360)
        async with stage(request.param, tmp_path_factory.mktemp("backend")) as running:
            yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def window(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """Give a browser for all tests of a file."""
    async with Browser(tmp_path_factory.mktemp("profile"), width=1366, height=768) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def served(backend: Stage) -> Stage:
    """Give a backend as if nobody had asked it for anything, whose tasks take some seconds."""
    await backend.forget()
    return backend


@pytest_asyncio.fixture(loop_scope="module")
async def browser(window: Browser, served: Stage) -> Browser:
    """Give a browser of somebody new, that has the page open with all that can be chosen."""
    await window.resize(1366, 768)
    await window.open(served.url)
    await window.forget()
    await window.complaints()
    await window.open(served.url)
    await window.until("return document.getElementById('price').textContent", PATIENCE)
    return window
