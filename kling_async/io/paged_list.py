"""A list that comes page by page: its entries one after the other, or all at once."""

from collections.abc import AsyncGenerator, Generator
from typing import Any, Generic, TypeVar

from kling_async.io.api import Api
from kling_async.protocol.call import ListEndpoint
from kling_async.protocol.wire import requests

T = TypeVar("T")


class PagedList(Generic[T]):
    """A list of the service, which is asked for when it is used, each time anew.

    ```python
    async for voice in kling.preset_voices():  # page by page
        print(voice.voice_name, voice.trial_url)
    voices = await kling.preset_voices()  # all of them, as a list
    ```
    """

    def __init__(self, api: Api, endpoint: ListEndpoint, page_size: int) -> None:
        self._api = api
        self._endpoint = endpoint
        self._page_size = page_size

    async def __aiter__(self) -> AsyncGenerator[T, None]:
        """Asks for a page when the one before is used up.

        Raises:
            KlingError: the service could not be asked.
        """
        before: list[tuple[T, ...]] = []
        for number in range(1, requests.PAGE_NUMBER_MAXIMUM + 1):
            request = requests.page(self._endpoint, number, self._page_size)
            entries: list[tuple[T, ...]] = await self._api.call(self._endpoint, request, self._endpoint.priced(None))
            if any(entries) and entries == before:  # whatever page is asked for, it gives the same
                return
            before = entries
            for entry in entries:
                for one in entry:
                    yield one
            if len(entries) < self._page_size:
                return

    def __await__(self) -> Generator[Any, None, list[T]]:
        """All entries.

        Raises:
            KlingError: as above.
        """
        return self._all().__await__()

    async def _all(self) -> list[T]:
        return [one async for one in self]
