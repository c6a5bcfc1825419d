"""Clips of many people. What was answered with a clip is finished after a restart, too, and paid for once.

Each has a directory, `clips/<person>/<id>/`, with its picture and its form: it is there before the answer. The id is
the key under which `submit` makes it, so that the journal says how far it is, whichever process asks.
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
"""Unfinished clips that a person may have."""
_LOOK: Final = 1.0
"""Seconds between two looks at the journal for a clip that another process may be making."""
_QUIET_LOOKS: Final = 15
"""After which a stream sends something, so that proxies keep it."""
_KEPT_BY_THE_SERVICE: Final = timedelta(days=29)
"""Less than the 30 days after which it deletes results."""
_PLAYED: Final = 200
"""Videos whose tasks are remembered."""
_STALE: Final = 3600.0
"""Seconds after which an upload that is not finished is one of a process that was killed."""


@attrs.frozen
class Place:
    """Where a clip is while it is uploaded, and where afterwards."""

    incoming: Path
    clip: Path


class Clips:
    """All clips of a directory, which several processes may share.

    Args:
        kling: the one client of this process, with a journal and a budget of units.
        directory: where they are.
        callbacks: takes the service's callbacks; None where none are asked for.
    """

    def __init__(self, kling: KlingClient, directory: Path, callbacks: CallbackReceiver | None = None) -> None:
        self.callbacks = callbacks
        self.closing = asyncio.Event()
        """Set when the process is about to end: nothing new is taken, and event streams end."""
        self._kling = kling
        self._clips = directory / "clips"
        self._incoming = directory / "incoming"
        self._maker = Maker(kling)
        self._played: dict[str, TaskHandle] = {}
        self._uploads: dict[str, tuple[str, str]] = {}
        """What is uploaded here: the id that it will have, and whose it is."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Clips"]:
        """Goes on with all that earlier processes left, and leaves to the next one what is not finished."""
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

    # ----------------------------------------------------------------------------------------- asking

    async def of(self, person: str) -> list[Shown]:
        """All clips of a person, newest first."""
        shown = await self._shown(await asyncio.to_thread(_read_all, self._clips / person, "*"))
        return sorted(shown, key=lambda each: each.clip.created_at, reverse=True)

    async def find(self, person: str, clip_id: str) -> Shown:
        """One clip of a person.

        Raises:
            Refusal: they have none of this id.
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
        """The video: the saved file, or a handle as long as there is none.

        A handle that played it before the file was there goes on with it, as long as the service has it: who plays a
        video asks for one range after the other, all of one ETag.

        Raises:
            Refusal: there is none.
        """
        shown = await self.find(person, clip_id)
        entry = shown.entry
        if shown.status != "done" or entry is None or entry.reference is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "This clip has no video yet.")
        handle = self._played.pop(entry.reference, None)  # else the service is asked for its task with each range
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
        """What becomes of a clip, as server-sent events: while it waits here, then those of its task.

        Its end is told once the journal has it, so that who asks for the clip then is told the same.
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
            else:  # it stands in line, or another process makes it
                status = "processing" if shown.status == "running" else None
                event, looks = _event("progress", status, None, shown.message), looks + 1
                if event != last or looks % _QUIET_LOOKS == 0:
                    last = event
                    yield event
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), _LOOK)

    async def unfinished(self) -> int:
        """How many clips are made here.

        Raises:
            JournalError: the journal cannot be read.
        """
        await self._kling.spending()
        return len(self._maker.at_work)

    # ---------------------------------------------------------------------------------------- posting

    async def repeated(self, person: str, key: str | None) -> Shown | None:
        """The clip that was posted under the same key, by somebody who got no answer; None where it is a new one.

        Raises:
            Refusal: it cannot be a key.
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
        """Room for one more clip of a person, while it is uploaded.

        Args:
            person: whose it will be.
            key: of `repeated`.

        Raises:
            Refusal: they have as many as they may.
        """
        if self.closing.is_set():
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "The service is about to stop: try again in a minute.")
        kept = {shown.clip.id for shown in await self.of(person) if not shown.is_final}
        here = {each for each, whose in (self._maker.at_work | dict(self._uploads.values())).items() if whose == person}
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
        """Takes a clip: once this returns it is made, whatever happens to the process.

        Args:
            place: for it.
            fields: of the form.
            picture: as it was uploaded.

        Raises:
            Refusal: it cannot be sent, or not be paid for.
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
            if clip.directory.exists():  # the same was posted twice at once
                return await self.find(clip.person, clip.id)
            raise
        self._maker.begin(clip)
        await asyncio.to_thread(sync, clip.directory.parent)
        await asyncio.to_thread(sync, self._clips)
        return Shown(clip)

    async def check(self, fields: Mapping[str, Any], picture: Path | str | None) -> None:
        """Refuses what would not be sent.

        Raises:
            Refusal: with all problems.
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
        sent = await self._kling.journal.last_of(list(in_line))  # these have reserved it
        spending = await self._kling.spending()
        if cost > spending.left - sum(in_line[each] for each in in_line if each not in sent):
            raise Refusal(HTTPStatus.PAYMENT_REQUIRED, "Today's budget is used up: try again tomorrow.")


def _read_all(directory: Path, pattern: str) -> list[Clip]:
    return [Clip.read(each.parent) for each in directory.glob(f"{pattern}/{FORM}")]


def _id_of(person: str, key: str) -> str:
    """The same clip for the same key; keys of others are other clips."""
    return hashlib.sha256(f"{person} {key}".encode()).hexdigest()[:32]


def _event(name: str, status: str | None, share: float | None, message: str) -> bytes:
    """As those of `progress_events`."""
    data = {"status": status, "share": share, "seconds_left": None, "message": message}
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


async def _until(closing: asyncio.Event, events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Events, until the process is about to end."""
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
