"""Clips of many people. An accepted clip is finished even after a restart, and paid for once.

Each clip has a directory, `clips/<person>/<id>/`, with its picture and its form, which is written before the response.
The id is the key for `submit`, so that any process can read the clip's state from the journal.
"""

import asyncio
import contextlib
import hashlib
import json
import re
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Final

import attrs

from examples.web_service import options
from examples.web_service.clip import FORM, Clip, Shown, sync
from examples.web_service.making import Maker
from examples.web_service.requests import Refusal
from kling_async import ImageToVideo, InvalidRequest, KlingClient, Problem, TaskHandle, estimate
from kling_async.web import CallbackReceiver, progress_events

RUNNING: Final = 3
"""Maximum of unfinished clips per person."""
_LOOK: Final = 1.0
"""Seconds between reads of the journal for a clip that another process may be generating."""
_QUIET_LOOKS: Final = 15
"""Reads without a change after which a stream sends an event, so that proxies keep the connection."""
_KEPT_BY_THE_SERVICE: Final = timedelta(days=29)
"""Less than the 30 days after which the service deletes results."""
_PLAYED: Final = 200
"""Maximum of cached handles of played videos."""
_STALE: Final = 3600.0
"""Seconds after which an unfinished upload is considered left by a killed process."""


@attrs.frozen
class Place:
    """The directories of a clip: during the upload, and afterwards."""

    incoming: Path
    clip: Path


class Clips:
    """All clips of a directory, which several processes may share.

    Args:
        kling: the client of this process, with a journal and a budget of units.
        directory: of the clips.
        callbacks: receives the service's callbacks; None if none are requested.
    """

    def __init__(self, kling: KlingClient, directory: Path, callbacks: CallbackReceiver | None = None) -> None:
        self.callbacks = callbacks
        self.closing = asyncio.Event()
        """Set when the process is about to end: no new clips are accepted, and event streams end."""
        self._kling = kling
        self._clips = directory / "clips"
        self._incoming = directory / "incoming"
        self._maker = Maker(kling)
        self._played: dict[str, TaskHandle] = {}
        self._uploads: dict[str, tuple[str, str]] = {}
        """Uploads in this process, each with the clip's id and its person."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Clips"]:
        """Resumes unfinished clips of earlier processes; at exit, leaves unfinished ones to the next process."""
        self._clips.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)
        for upload in self._incoming.iterdir():
            if time.time() - upload.stat().st_mtime > _STALE:
                shutil.rmtree(upload, ignore_errors=True)
        known = await self._shown(await asyncio.to_thread(_read_all, self._clips, "*/*"))
        async with self._maker.going_on(known):
            try:
                yield self
            finally:
                self.closing.set()

    # ---------------------------------------------------------------------------------------- reading

    async def of(self, person: str) -> list[Shown]:
        """Returns all clips of a person, newest first."""
        shown = await self._shown(await asyncio.to_thread(_read_all, self._clips / person, "*"))
        return sorted(shown, key=lambda each: each.clip.created_at, reverse=True)

    async def find(self, person: str, clip_id: str) -> Shown:
        """Returns one clip of a person.

        Raises:
            Refusal: the person has no clip with this id.
        """
        found = None
        if re.fullmatch("[0-9a-f]{32}", clip_id):
            found = await asyncio.to_thread(_read_all, self._clips / person, clip_id)
        if not found:
            raise Refusal(HTTPStatus.NOT_FOUND, "You have no such clip.")
        return (await self._shown(found))[0]

    async def _shown(self, clips: Iterable[Clip]) -> list[Shown]:
        found = list(clips)
        entries = await self._kling.journal.last_of([clip.id for clip in found])
        handles = [self._maker.handle(clip.id) for clip in found]
        progress = [None if handle is None else handle.progress for handle in handles]
        return [Shown(clip, entries.get(clip.id), far) for clip, far in zip(found, progress, strict=True)]

    async def video(self, person: str, clip_id: str) -> Path | TaskHandle:
        """Returns the saved video file, or a handle if it is not saved yet.

        A handle that already serves a video is used while the service has the result: a player requests one range
        after the other, and all must have the same ETag.

        Raises:
            Refusal: there is no video.
        """
        shown = await self.find(person, clip_id)
        entry = shown.entry
        if shown.status != "done" or entry is None or entry.reference is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "This clip has no video yet.")
        handle = self._played.pop(entry.reference, None)  # without the cache, each range would query the task
        is_old = datetime.now(UTC) - entry.intended_at > _KEPT_BY_THE_SERVICE
        if handle is None or is_old or (handle.done() and handle.exception() is not None):
            saved = Path(entry.files[0].path) if entry.files else None
            if saved is not None and await asyncio.to_thread(saved.is_file):
                return saved
            handle = self._kling.attach(entry.reference)
        self._played[entry.reference] = handle
        if len(self._played) > _PLAYED:
            del self._played[next(iter(self._played))]
        return handle

    async def events(self, person: str, clip_id: str) -> AsyncGenerator[bytes, None]:
        """Yields the progress of a clip as server-sent events: while it waits here, then those of its task.

        The end is sent once the journal has it, so that a request for the clip then returns the same status.
        """
        last, looks = b"", 0
        while not self.closing.is_set():
            shown, handle = await self.find(person, clip_id), self._maker.handle(clip_id)
            if shown.is_final:
                yield _event("end", "succeed" if shown.status == "done" else shown.status, 1.0, shown.message)
                return
            if handle is not None:
                async for event in _until(self.closing, progress_events(handle)):
                    if not event.startswith(b"event: end"):
                        yield event
            else:  # it waits for a slot, or another process generates it
                status = "processing" if shown.status == "running" else None
                event, looks = _event("progress", status, None, shown.message), looks + 1
                if event != last or looks % _QUIET_LOOKS == 0:
                    last = event
                    yield event
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), _LOOK)

    async def unfinished(self) -> int:
        """Returns the number of unfinished clips in this process.

        Raises:
            JournalError: the journal cannot be read.
        """
        await self._kling.spending()
        return len(self._maker.at_work)

    # ---------------------------------------------------------------------------------------- posting

    async def repeated(self, person: str, key: str | None) -> Shown | None:
        """Returns the clip already posted with the same key, when a client repeats a post; None for a new one.

        Raises:
            Refusal: the key is invalid.
        """
        if key is None:
            return None
        if not re.fullmatch("[A-Za-z0-9-]{1,64}", key):
            raise Refusal.of([Problem("", "Idempotency-Key must be 1 to 64 letters and digits")])
        with contextlib.suppress(Refusal):
            return await self.find(person, _id_of(person, key))
        return None

    @contextlib.asynccontextmanager
    async def place(self, person: str, key: str | None) -> AsyncIterator[Place]:
        """Reserves one more clip for a person during the upload.

        Args:
            person: name of the person.
            key: as for `repeated`.

        Raises:
            Refusal: the person already has the maximum of unfinished clips.
        """
        if self.closing.is_set():
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "The service is about to stop: try again in a minute.")
        kept = {shown.clip.id for shown in await self.of(person) if not shown.is_final}
        here = {each for each, owner in (self._maker.at_work | dict(self._uploads.values())).items() if owner == person}
        if len(kept | here) >= RUNNING:
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, f"{RUNNING} of your clips are not finished: wait for one.")
        upload = secrets.token_hex(16)
        place = Place(self._incoming / upload, self._clips / person / (upload if key is None else _id_of(person, key)))
        self._uploads[upload] = place.clip.name, person
        try:
            yield place
        finally:
            del self._uploads[upload]
            shutil.rmtree(place.incoming, ignore_errors=True)

    async def add(self, place: Place, fields: Mapping[str, Any], picture: IO[bytes] | None) -> Shown:
        """Accepts a clip: once this returns it will be generated, even if the process dies.

        Args:
            place: reserved for the clip.
            fields: of the form.
            picture: as uploaded.

        Raises:
            Refusal: the request is invalid, or exceeds the budget.
        """
        incoming = Clip(
            id=place.clip.name,
            directory=place.incoming,
            fields={name: fields[name] for name in options.FIELDS if isinstance(fields.get(name), str)},
            created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        if picture is not None:
            await asyncio.to_thread(incoming.keep, picture)
        await self.check(incoming.fields, None if picture is None else incoming.picture)
        await self._refuse_unaffordable(incoming.request)
        clip = attrs.evolve(incoming, directory=place.clip)
        clip.directory.parent.mkdir(exist_ok=True)
        try:
            incoming.directory.rename(clip.directory)
        except OSError:
            if clip.directory.exists():  # the same clip was posted twice concurrently
                return await self.find(clip.person, clip.id)
            raise
        self._maker.begin(clip)
        await asyncio.to_thread(sync, clip.directory.parent)
        await asyncio.to_thread(sync, self._clips)
        return Shown(clip)

    async def check(self, fields: Mapping[str, Any], picture: Path | str | None) -> None:
        """Checks a form as `submit` would.

        Raises:
            Refusal: the form is invalid; lists all problems.
        """
        problems = [] if picture else [Problem("picture", "choose one: JPEG or PNG")]
        request = options.request_of(fields, picture or options.ANY_PICTURE)
        problems += options.problems_of(request)
        try:
            await self._kling.check(request)
        except InvalidRequest as error:
            problems += error.problems
        if problems:
            raise Refusal.of(problems)

    async def _refuse_unaffordable(self, request: ImageToVideo) -> None:
        cost = estimate(request).units or Decimal(0)  # where no price is known, the budget refuses
        in_line = dict(self._maker.in_line)
        sent = await self._kling.journal.last_of(list(in_line))  # these have reserved their price
        spending = await self._kling.spending()
        if cost > spending.left - sum(in_line[each] for each in in_line if each not in sent):
            raise Refusal(HTTPStatus.PAYMENT_REQUIRED, "Today's budget is used up: try again tomorrow.")


def _read_all(directory: Path, pattern: str) -> list[Clip]:
    return [Clip.read(each.parent) for each in directory.glob(f"{pattern}/{FORM}")]


def _id_of(person: str, key: str) -> str:
    """Returns the id of the clip for a person's key; equal keys of different persons have different ids."""
    return hashlib.sha256(f"{person} {key}".encode()).hexdigest()[:32]


def _event(name: str, status: str | None, share: float | None, message: str) -> bytes:
    """Returns an event in the format of `progress_events`."""
    data = {"status": status, "share": share, "seconds_left": None, "message": message}
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


async def _until(closing: asyncio.Event, events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yields events until the process is about to end."""
    closed = asyncio.ensure_future(closing.wait())
    waiting: set[asyncio.Future[Any]] = {closed}
    try:
        while not closed.done():
            following = asyncio.ensure_future(anext(events, None))
            waiting.add(following)
            await asyncio.wait({following, closed}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                waiting.discard(following)
                if (event := following.result()) is None:
                    return
                yield event
    finally:
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await events.aclose()
