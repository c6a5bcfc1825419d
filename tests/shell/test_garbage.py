import gc

from kling_async import TextToVideo
from kling_async.emulator import Emulator
from tests.shell.conftest import ClientMaker


async def test_a_create_leaves_no_reference_cycles(make_client: ClientMaker, emulator: Emulator) -> None:
    """A finished create leaves no object to the garbage collector."""
    emulator.account.limit = 100
    kling = make_client(concurrency=100)
    await kling.submit(TextToVideo("a cat"))  # what is imported and made once
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        handles = [await kling.submit(TextToVideo("a cat")) for _ in range(10)]
        gc.collect()
        left = {type(each).__qualname__ for each in gc.garbage if type(each).__module__.startswith("kling_async.")}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert len(handles) == 10
    assert left == set()
