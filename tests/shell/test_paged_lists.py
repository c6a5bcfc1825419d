"""Lists that come page by page: one entry after the other, or all at once; and the deletion of entries."""

import asyncio
import errno
import inspect
import json
from typing import Any
from unittest.mock import AsyncMock, create_autospec
from urllib.parse import parse_qs

import attrs
import pytest

from kling_async import (
    ClientClosed,
    InvalidRequest,
    KlingClient,
    PagedList,
    PermissionRefused,
    PresetVoices,
    RequestRefused,
    ServerError,
    Voice,
)
from tests.shell.conftest import ClientMaker
from tests.shell.stub import Answer, Seen, answer, refusal, script, serve

pytestmark = pytest.mark.usefixtures("nothing_is_left")

DELETED = answer(200, {"code": 0, "data": {"task_id": "1", "task_status": "succeed"}})
GONE = refusal(400, 1201, "Voice id not found")


class Library:
    """A service with so many preset voices, each in a separate entry."""

    def __init__(self, count: int) -> None:
        self.ids = [str(number) for number in range(count)]
        self.requested: list[tuple[str, str, str]] = []

    def __call__(self, seen: Seen) -> Answer:
        """One page."""
        path, _, query = seen.path.partition("?")
        [number], [size] = parse_qs(query)["pageNum"], parse_qs(query)["pageSize"]
        self.requested.append((path, number, size))
        first = (int(number) - 1) * int(size)
        entries = [
            {"task_id": f"t{voice_id}", "task_status": "succeed", "task_result": {"voices": [{"voice_id": voice_id}]}}
            for voice_id in self.ids[first : first + int(size)]
        ]
        return answer(200, {"code": 0, "data": entries})


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (1, 1), (3, 2), (4, 2), (7, 3)])
async def test_all_at_once(make_client: ClientMaker, count: int, pages: int) -> None:
    """`await` gives all entries as a list; the first page that is not full is the last one."""
    library = Library(count)
    async with serve(library) as stub:
        client = make_client(base_url=stub.base_url)
        voices = await client.preset_voices(page_size=3)
        assert await client.submit(PresetVoices(page_size=3)) == voices
    assert voices == [Voice(voice_id=str(number)) for number in range(count)]
    path = "/v1/general/presets-voices"
    assert library.requested == [(path, str(number), "3") for number in range(1, pages + 1)] * 2


async def test_page_by_page(make_client: ClientMaker) -> None:
    """`async for` fetches a page once the previous one is used up, and none that is not needed."""
    library = Library(7)
    async with serve(library) as stub:
        voices = make_client(base_url=stub.base_url).preset_voices(page_size=3)
        assert library.requested == []
        met = []
        async for voice in voices:
            met.append((voice.voice_id, len(library.requested)))
            if voice.voice_id == "3":
                break
        assert met == [("0", 1), ("1", 1), ("2", 1), ("3", 2)]
        assert len(await voices) == 7  # a list is asked for anew each time


async def test_a_service_without_pages(make_client: ClientMaker) -> None:
    """The list ends if each page has the same entries, which are yielded once."""
    library = Library(2)
    async with serve(lambda seen: library(attrs.evolve(seen, path="/?pageNum=1&pageSize=2"))) as stub:
        voices = await make_client(base_url=stub.base_url).preset_voices(page_size=2)
        assert ([voice.voice_id for voice in voices], len(stub.seen)) == (["0", "1"], 2)


async def test_a_transient_failure_of_a_page(make_client: ClientMaker) -> None:
    """A page is retried like any other read; a refusal ends the list."""
    library = Library(2)
    async with serve(script(None, refusal(500, 5000), library)) as stub:
        assert len(await make_client(base_url=stub.base_url).preset_voices()) == 2
    async with serve(lambda _: refusal(403, 1103)) as stub:
        with pytest.raises(PermissionRefused, match="no right"):
            await make_client(base_url=stub.base_url).preset_elements()


async def test_wrong_sizes_and_closed_clients(client: KlingClient) -> None:
    """An invalid page size is refused at the call, as is a list of a closed client."""
    with pytest.raises(InvalidRequest, match="page_size: 1001 is out of range; use 1 to 1000"):
        client.preset_voices(page_size=1001)
    with pytest.raises(InvalidRequest, match="page_size"):
        await client.submit(PresetVoices(page_size=0))
    with pytest.raises(TypeError, match="did you mean 'page_size'"):
        client.preset_voices(size=5)  # type: ignore[call-arg]  # what is refused
    await client.close()
    with pytest.raises(ClientClosed):
        client.preset_elements()


def test_the_method_is_documented() -> None:
    """Signature and docstring of the method are the record's, with what it returns."""
    method: Any = KlingClient.preset_voices
    assert str(inspect.signature(method)).startswith("(self, *, page_size: int = 100) -> ")
    assert inspect.signature(method).return_annotation == PagedList[Voice]
    assert not isinstance(create_autospec(KlingClient).preset_voices, AsyncMock)
    for text in ("The preset voices", "async for", "page_size: voices per request", "Raises:"):
        assert text in method.__doc__
    assert "QueueTimeout" not in method.__doc__
    assert str(inspect.signature(KlingClient.delete_voice)).endswith(" -> None")


# ---------------------------------------------------------------------------------------------------- deletes


@pytest.mark.parametrize("lost", [None, refusal(500, 5000), b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"])
async def test_a_delete_whose_answer_is_lost(make_client: ClientMaker, lost: Answer) -> None:
    """A delete is free and idempotent, so it is sent again after a lost response."""
    async with serve(script(lost, DELETED)) as stub:
        await make_client(base_url=stub.base_url).delete_voice(Voice(voice_id="7"))
    assert [json.loads(seen.body) for seen in stub.seen] == [{"voice_id": "7"}] * 2


async def test_a_delete_that_finds_nothing_any_more(make_client: ClientMaker) -> None:
    """A "not found" after a lost response may be a success, as the error explains; else it is a plain refusal."""
    async with serve(script(None, GONE)) as stub:
        with pytest.raises(RequestRefused, match="not found; the answer to an earlier try was lost, and it may have"):
            await make_client(base_url=stub.base_url).delete_voice("7")
    async with serve(script(GONE)) as stub:
        with pytest.raises(RequestRefused, match=r"not found \(code 1201"):
            await make_client(base_url=stub.base_url).delete_voice("7")


@pytest.mark.parametrize(
    "passing", [refusal(429, 1302), refusal(429, 1303), refusal(429, 1399)], ids=["1302", "1303", "1399"]
)
async def test_a_refusal_after_a_transient_refusal(make_client: ClientMaker, passing: Answer) -> None:
    """A refusal after a transient one of the service is a plain refusal."""
    async with serve(script(passing, GONE)) as stub:
        with pytest.raises(RequestRefused, match=r"not found \(code 1201"):
            await make_client(base_url=stub.base_url).delete_element(7)
    assert len(stub.seen) == 2


async def test_a_refusal_after_a_failed_connection(make_client: ClientMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal after a failed connection is a plain refusal."""
    loop = asyncio.get_running_loop()
    connect, left = loop.create_connection, [1]

    async def refusing(*args: Any, **kwargs: Any) -> Any:
        if left:
            left.pop()
            kwargs["sock"].close()
            raise OSError(errno.ECONNREFUSED, "refused")
        return await connect(*args, **kwargs)

    async with serve(lambda _: GONE) as stub:
        monkeypatch.setattr(loop, "create_connection", refusing)
        with pytest.raises(RequestRefused, match=r"not found \(code 1201"):
            await make_client(base_url=stub.base_url).delete_voice("7")
    assert left == []


async def test_a_list_that_is_refused_after_a_lost_response(make_client: ClientMaker) -> None:
    """A list that is refused after a lost response raises a plain refusal."""
    async with serve(script(refusal(500, 5000), refusal(403, 1103))) as stub:
        with pytest.raises(PermissionRefused) as caught:
            await make_client(base_url=stub.base_url).preset_voices()
    assert "earlier try" not in str(caught.value)


async def test_a_delete_whose_answer_is_lost_for_ever(make_client: ClientMaker) -> None:
    """A delete without any response raises the last error, with its message."""
    async with serve(lambda _: refusal(500, 5000, "broken")) as stub:
        with pytest.raises(ServerError, match=r"^broken \(code 5000"):
            await make_client(base_url=stub.base_url).delete_voice("7")
    assert len(stub.seen) > 2
