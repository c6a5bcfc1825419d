"""The end of one input of a rule: what was paid, saved and returned, on a server that is not the emulator."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from unittest import mock

import attrs

from kling_async import CreateInDoubt, DownloadError, ImageToVideo, KlingClient, KlingError, TaskHandle, current
from kling_async.io.submission import SubmitOptions
from tests.faults.current_service import CurrentService
from tests.faults.other_service import VIDEO, OtherService
from tests.faults.stage import IMAGE, LATER
from tests.shell.conftest import wall
from tests.shell.stub import Answer, Seen, Stub, serve
from tests.virtual_time import VirtualTimeLoop

ENVIRONMENT: Final = ("KLING_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "NETRC")
TURBO: Final = "kling-3.0-turbo"


@attrs.frozen
class End:
    """The end of one input.

    Attributes:
        paid: Tasks that were made.
        saved: Whole files, each with the bytes that its host has.
        seconds: Until the caller had the file or the error, by the story's clock.
        came: The result in words: "saved", or the error.
        error_text: The text of the error.
        holds: Whether the story's other checks passed.
    """

    paid: int
    saved: int
    seconds: float
    came: str
    error_text: str = ""
    holds: bool = True


Case = Callable[[], End]


def alone() -> contextlib.AbstractContextManager[Any]:
    """An environment without the machine's keys and proxies."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(ENVIRONMENT)}
    return mock.patch.dict(os.environ, kept, clear=True)


def virtual(story: Callable[[Path], Awaitable[End]]) -> Case:
    """A case that runs a story in virtual time, in a temporary directory."""

    async def run_story(directory: str) -> End:
        return await story(Path(directory))

    def case() -> End:
        with (
            alone(),
            tempfile.TemporaryDirectory() as directory,
            asyncio.Runner(loop_factory=VirtualTimeLoop) as runner,
        ):
            return runner.run(run_story(directory))

    return case


@attrs.define
class Play:
    """One caller at the other service.

    Attributes:
        service: The service.
        stub: Its server.
        directory: Where files are saved.
        began: When the story began.
    """

    service: OtherService
    stub: Stub
    directory: Path
    began: float
    clients: list[KlingClient] = attrs.field(factory=list)
    ended: float | None = None

    def client(self, **options: Any) -> KlingClient:
        """A client of this address."""
        client = KlingClient(**{"base_url": self.stub.base_url, "api_key": "the-key", "clock": wall(), **options})
        self.clients.append(client)
        return client

    def request(self, **parameters: Any) -> ImageToVideo | current.ImageToVideo:
        """The request, in the generation of the service."""
        if isinstance(self.service, CurrentService):
            return current.ImageToVideo(IMAGE, **{"model": TURBO, "prompt": "a cat", **parameters})
        return ImageToVideo(**{"image": IMAGE, **parameters})

    async def one(
        self,
        client: KlingClient | None = None,
        *,
        then: Callable[[], Awaitable[None]] | None = None,
        submit: SubmitOptions | None = None,
        save: dict[str, Any] | None = None,
        content: bytes = VIDEO,
        **parameters: Any,
    ) -> End:
        """Requests one video and saves it, as in `end`; `then` runs in between."""
        client = client or self.client()

        async def submitted() -> TaskHandle:
            handle = await client.submit(self.request(**parameters), **(submit or {}))
            if then:
                await then()
            return handle

        return await self.end(client, submitted(), save=save, content=content)

    async def end(
        self,
        client: KlingClient,
        handle: Awaitable[TaskHandle],
        *,
        save: dict[str, Any] | None = None,
        content: bytes = VIDEO,
    ) -> End:
        """Saves the result of a create; after an error with a reference the faults end, and the reference is used."""
        came, error_text, path = [], "", self.directory / "x.mp4"
        try:
            try:
                task = await handle
                await task.save(path, **(save or {}))
            except (CreateInDoubt, DownloadError) as error:
                may_be = error.candidates if isinstance(error, CreateInDoubt) else ()
                came, error_text = (
                    [f"`{type(error).__name__}`{f' that names {len(may_be)}' if may_be else ''}"],
                    str(error),
                )
                self._is_over()
                self.heal()
                await asyncio.sleep(LATER)
                await client.attach((*may_be, error.reference or "")[0]).save(path, **(save or {}))
            came.append("saved")
        except KlingError as error:
            came, error_text = [*came, f"`{type(error).__name__}`"], error_text or str(error)
        saved = int(path.exists() and path.read_bytes() == content)
        return self.ending(", then ".join(came), error_text, saved=saved)

    def ending(self, came: str, error_text: str = "", *, saved: int = 0) -> End:
        """Returns the end at this moment."""
        self._is_over()
        assert self.ended is not None
        return End(self.service.paid, saved, self.ended - self.began, came, error_text)

    def heal(self) -> None:
        """Ends all faults: the service itself answers from now on."""
        self.service.creates.clear()
        self.service.looks.clear()
        self.service.strange.clear()
        if isinstance(self.service, CurrentService):
            self.service.lists.clear()
        self.service.file = OtherService(self.service.now).file

    def _is_over(self) -> None:
        self.ended = self.ended if self.ended is not None else asyncio.get_running_loop().time()


@contextlib.asynccontextmanager
async def other(
    directory: Path,
    *,
    kind: type[OtherService] = OtherService,
    through: Callable[[OtherService], Callable[[Seen], Answer]] | None = None,
    **how: Any,
) -> AsyncIterator[Play]:
    """Runs the other service; `through` wraps it."""
    loop = asyncio.get_running_loop()
    service = kind(loop.time, **how)
    async with serve(through(service) if through else service) as stub:
        service.base_url = stub.base_url
        play = Play(service, stub, directory, loop.time())
        try:
            yield play
        finally:
            for client in play.clients:
                await client.close()
