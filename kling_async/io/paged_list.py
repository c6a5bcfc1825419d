"""Lists that are fetched page by page, as an iterator or as a whole."""

import contextlib
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from typing import Any, Generic, TypeVar

from kling_async.io.api import Api
from kling_async.protocol.call import CursorListEndpoint, CursorPage, ListEndpoint
from kling_async.protocol.wire import requests

T = TypeVar("T")

Pages = AsyncGenerator[Iterable[T], None]


class PagedList(Generic[T]):
    """A list of the service, fetched anew each time it is used.

    ```python
    async for voice in kling.preset_voices():  # page by page
        print(voice.voice_name, voice.trial_url)
    voices = await kling.preset_voices()  # all of them, as a list
    ```
    """

    def __init__(self, pages: Callable[[], Pages[T]]) -> None:
        self._pages = pages

    async def __aiter__(self) -> AsyncGenerator[T, None]:
        """Iterates over the entries, and fetches each page on demand.

        Raises:
            KlingError: a page could not be fetched.
        """
        async with contextlib.aclosing(self._pages()) as pages:
            async for page in pages:
                for one in page:
                    yield one

    def __await__(self) -> Generator[Any, None, list[T]]:
        """Returns all entries.

        Raises:
            KlingError: a page could not be fetched.
        """
        return self._all().__await__()

    async def _all(self) -> list[T]:
        return [one async for one in self]


async def by_number(api: Api, endpoint: ListEndpoint, page_size: int) -> Pages[Any]:
    """Yields pages by number; the first that is not full is the last one."""
    before: list[tuple[Any, ...]] = []
    for number in range(1, requests.PAGE_NUMBER_MAXIMUM + 1):
        request = requests.page(endpoint, number, page_size)
        entries: list[tuple[Any, ...]] = await api.call(endpoint, request, endpoint.priced(None))
        if any(entries) and entries == before:  # the service ignores the page number
            return
        before = entries
        for entry in entries:
            yield entry
        if len(entries) < page_size:
            return


async def by_cursor(api: Api, endpoint: CursorListEndpoint, record: object) -> Pages[Any]:
    """Yields pages of which each contains the cursor of the next; stops at a repeated cursor, which would loop."""
    request, met = requests.of_call(endpoint, record), set[str]()
    while True:
        page: CursorPage = await api.call(endpoint, request, endpoint.priced(None))
        yield page.entries
        if page.next_cursor is None or page.next_cursor in met:
            return
        met.add(page.next_cursor)
        request = requests.next_page(endpoint, page.next_cursor)
