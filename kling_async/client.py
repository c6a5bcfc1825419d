"""The client: the whole surface, put together."""

import asyncio
import contextlib
import functools
import logging
import os
import random
import time
import warnings
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import aiohttp

from kling_async.handle import TaskHandle
from kling_async.io import threads
from kling_async.io.api import Api
from kling_async.io.config import base_url_from, checked, credentials_from, proxies_from, warn_of_file_limit
from kling_async.io.poller import Poller
from kling_async.io.slots import Slots
from kling_async.io.submission import IfExists, OnDoubt, OnIntent, Submitter
from kling_async.io.target import text_of
from kling_async.io.task_watch import TaskWatch
from kling_async.io.transport import Transport
from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.endpoints import ImageToVideo, all_endpoints, endpoint_named, endpoint_of
from kling_async.protocol.errors import (
    CapabilityWarning,
    ClientClosed,
    DownloadError,
    InvalidReference,
    InvalidRequest,
    KlingError,
    Problem,
    RequestRefused,
    TargetError,
    WrongEventLoop,
)
from kling_async.protocol.limits import BEAT, Limit
from kling_async.protocol.media.image import ImageGiven
from kling_async.protocol.polling.estimates import Durations
from kling_async.protocol.polling.schedule import AimedPolling, Polling
from kling_async.protocol.records import (
    CameraControl,
    DynamicMask,
    Mode,
    ShotPrompt,
    ShotType,
    WatermarkInfo,
)
from kling_async.protocol.reference import Reference
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import Element, Task, Voice
from kling_async.protocol.wire import requests

if TYPE_CHECKING:
    from kling_async.io.download import Downloads
    from kling_async.io.target import Target

logger = logging.getLogger("kling_async")


class KlingClient:
    """Turns images into videos; many at once, on one event loop.

    ```python
    async with KlingClient() as kling:
        handle = await kling.image_to_video(image="cat.jpg", prompt="the cat turns its head")
        path = await handle.save("cat.mp4")
    ```

    Args:
        api_key: a plain API key; else `KLING_API_KEY`.
        access_key: else `KLING_ACCESS_KEY`; with `secret_key`.
        secret_key: else `KLING_SECRET_KEY`.
        base_url: else `KLING_BASE_URL`, else `https://api-singapore.klingai.com`.
        concurrency: tasks in flight per `model_name`, at least 1: what the account's resource pack allows.
        downloads: files saved at once, at least 1.
        polling: when tasks are asked for: `AimedPolling` (the default) when a result can be expected, `Polling` on a
            fixed beat.
        durations: how long tasks take, as another client learned it; this one learns on in it. Clients of one event
            loop may share one; `Durations.to_json` takes it to other processes.
        retry: how calls that fail in passing are repeated.
        queue_deadline: seconds that a task may stand in line for a slot; None for ever.
        on_intent: awaited before the first byte of each create goes out, so that its reference can be kept where a
            crash does not reach it. If it raises, nothing is sent.
        session: a session to use; it stays open. Else one is made when first needed.
        clock: seconds since 1970; for tests.

    Raises:
        ConfigurationError: there are no credentials, or a value cannot be used.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        base_url: str | None = None,
        concurrency: int = 5,
        downloads: int = 4,
        polling: Polling | AimedPolling | None = None,
        durations: Durations | None = None,
        retry: Retry | None = None,
        queue_deadline: float | None = None,
        on_intent: OnIntent | None = None,
        session: aiohttp.ClientSession | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        for name, value in (("concurrency", concurrency), ("downloads", downloads)):
            whole = isinstance(value, int) and not isinstance(value, bool)
            checked(name, value, "a whole number from 1 up", fits=whole and value >= 1)
        checked("polling", polling, "AimedPolling(...) or Polling(...)", fits=_is_a(polling, Polling, AimedPolling))
        checked(
            "durations", durations, "Durations; Durations.from_json(text) reads them", fits=_is_a(durations, Durations)
        )
        checked("retry", retry, "Retry(...)", fits=_is_a(retry, Retry))
        checked("queue_deadline", queue_deadline, "seconds", fits=queue_deadline is None or _is_seconds(queue_deadline))
        checked("on_intent", on_intent, "a coroutine function", fits=on_intent is None or callable(on_intent))
        checked("session", session, "an aiohttp.ClientSession", fits=_is_a(session, aiohttp.ClientSession))
        checked("clock", clock, "a function like time.time", fits=callable(clock))
        self._credentials = credentials_from(api_key, access_key, secret_key)
        self._retry = retry or Retry()
        self._uniform = random.random
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._closing: asyncio.Task[None] | None = None
        self._transport = Transport(base_url_from(base_url), session, proxies_from())
        warn_of_file_limit(concurrency + downloads)
        self._api = Api(self._transport, self._credentials, clock, self._retry, self._uniform)
        self._slots = Slots(lambda: Limit(concurrency, BEAT, self._uniform), queue_deadline)
        self.durations = durations if durations is not None else Durations()
        """How long tasks take, by kind, as far as this client has seen."""
        polling = polling if polling is not None else AimedPolling()
        self._poller = Poller(self._api, polling, self._retry, self._uniform, self.durations)
        self._submitter = Submitter(
            self._api, self._slots, self._poller, retry=self._retry, uniform=self._uniform, on_intent=on_intent
        )
        self._saved_at_once = downloads
        self._left: list[str] = []

    # ------------------------------------------------------------------------------------- making videos

    async def image_to_video(
        self,
        image: ImageGiven | None = None,
        *,
        model_name: str = "kling-v2-6",
        image_tail: ImageGiven | None = None,
        prompt: str | None = None,
        negative_prompt: str | None = None,
        multi_shot: bool | None = None,
        shot_type: ShotType | None = None,
        multi_prompt: Iterable[ShotPrompt | Mapping[str, Any]] | None = None,
        element_list: Iterable[Element | Mapping[str, Any] | int] | None = None,
        voice_list: Iterable[Voice | Mapping[str, Any] | str] | None = None,
        sound: bool | Literal["on", "off"] | None = None,
        cfg_scale: float | None = None,
        mode: Mode | None = None,
        static_mask: ImageGiven | None = None,
        dynamic_masks: Iterable[DynamicMask | Mapping[str, Any]] | None = None,
        camera_control: CameraControl | Mapping[str, Any] | None = None,
        duration: int | str = 5,
        watermark_info: WatermarkInfo | Mapping[str, Any] | None = None,
        callback_url: str | None = None,
        external_task_id: str | None = None,
        strict: bool = True,
        if_exists: IfExists = "raise",
        on_doubt: OnDoubt = "settle",
    ) -> TaskHandle:
        """Submits one video and returns once the service accepted it; waits in line at the account's limit.

        The parameters up to `external_task_id` are the documentation's; `ImageToVideo` describes each.

        Args:
            image: the first frame: a path, an `http(s)://` address, or bytes.
            model_name: see `ImageToVideo`, as all others down to `external_task_id`.
            image_tail: the last frame.
            prompt: what happens.
            negative_prompt: what does not.
            multi_shot: several shots.
            shot_type: `customize` or `intelligence`.
            multi_prompt: the shots.
            element_list: elements or their ids.
            voice_list: voices or their ids.
            sound: with sound.
            cfg_scale: 0 to 1.
            mode: `std`, `pro` or `4k`.
            static_mask: what stays.
            dynamic_masks: what moves.
            camera_control: how the camera moves.
            duration: seconds.
            watermark_info: a watermarked variant as well.
            callback_url: told of changes.
            external_task_id: your own id.
            strict: False turns refusals of the capability map, and only those, into `CapabilityWarning`.
            if_exists: what to do if the `external_task_id` belongs to an older task: `raise` a conflict, or `adopt` it.
            on_doubt: what to do if the answer was lost and look-ups over `Retry.settle` seconds find no task: send the
                same id again (`settle`), or `raise` CreateInDoubt and never send twice.

        Returns:
            The handle; it is followed from now on.

        Raises:
            InvalidRequest: the documentation forbids it; all problems at once, nothing sent.
            ImageFileMissing: as `InvalidRequest`; a file does not exist.
            ExternalTaskIdConflict: the id belongs to an older task.
            QueueTimeout: no slot came free in `queue_deadline` seconds.
            CreateInDoubt: no answer told whether the task exists; `reference` finds out.
            ApiError: the service refused; nothing was created.
            ClientClosed: the client is closed.
        """
        request = ImageToVideo(
            image=image,
            model_name=model_name,
            image_tail=image_tail,
            prompt=prompt,
            negative_prompt=negative_prompt,
            multi_shot=multi_shot,
            shot_type=shot_type,
            multi_prompt=multi_prompt,
            element_list=element_list,
            voice_list=voice_list,
            sound=sound,
            cfg_scale=cfg_scale,
            mode=mode,
            static_mask=static_mask,
            dynamic_masks=dynamic_masks,
            camera_control=camera_control,
            duration=duration,
            watermark_info=watermark_info,
            callback_url=callback_url,
            external_task_id=external_task_id,
        )
        return await self._submit(request, strict=strict, if_exists=if_exists, on_doubt=on_doubt)

    async def submit(
        self,
        request: ImageToVideo,
        *,
        strict: bool = True,
        if_exists: IfExists = "raise",
        on_doubt: OnDoubt = "settle",
    ) -> TaskHandle:
        """Submits a request made before; otherwise as `image_to_video`."""
        return await self._submit(request, strict=strict, if_exists=if_exists, on_doubt=on_doubt)

    async def generate(
        self,
        request: ImageToVideo,
        path: str | PathLike[str],
        *,
        overwrite: bool = False,
        watermark: bool = False,
        strict: bool = True,
        if_exists: IfExists = "raise",
        on_doubt: OnDoubt = "settle",
    ) -> Path:
        """From a request to a file: proves the place, then pays, waits and saves.

        Where the file is there already nothing is sent, so that a program that is run again pays for nothing twice.
        The place is kept from the beginning: no other save of this process gets it meanwhile. If the caller is
        cancelled once a task may exist, `unsettled` names it, and `attach(reference).save(path)` goes on.

        Args:
            request: what to make.
            path: a file; a directory is refused, since a file that is called after its task is no file of an earlier
                run.
            overwrite: replaces an existing file, once the new one is whole.
            watermark: saves the watermarked variant, which the request's `watermark_info` must ask for.
            strict: as in `image_to_video`.
            if_exists: as in `image_to_video`.
            on_doubt: as in `image_to_video`.

        Returns:
            Where the (first) video is.

        Raises:
            TargetExists: there is a file, and `overwrite` is False; nothing was sent.
            TargetError: the place cannot be written to; nothing was sent.
            SaveInProgress: another save writes to the same file; nothing was sent.
            KlingError: as `image_to_video`, and as `TaskHandle.save`, then with the `reference` of the task.
        """
        self._enter()
        if text_of(path).endswith(("/", os.sep)):  # before it is made
            raise _no_file(path)
        reserved = self._downloads.reserve(path, None, watermark=watermark, overwrite=overwrite)
        async with reserved as place:
            if place.is_directory:
                raise _no_file(path)
            _refuse_without_mark(request, watermark=watermark)
            handle = await self._submit(request, strict=strict, if_exists=if_exists, on_doubt=on_doubt)
            try:
                return await self._save(handle, place, watermark=watermark, overwrite=overwrite)
            except asyncio.CancelledError:
                self._left.append(handle.reference)
                logger.warning(
                    "cancelled while making %s; the task goes on",
                    handle.reference,
                    extra={"kling_event": "generate_cancelled", "kling_reference": handle.reference},
                )
                raise
            except KlingError as error:
                error.about(handle.reference)
                raise

    @property
    def unsettled(self) -> tuple[str, ...]:
        """References of creates that nobody has a handle of, and that may be paid for.

        Those in doubt at the moment, and those whose caller was cancelled: they are brought to their end in the
        background, and `attach(reference)` gets the task. An entry of a cancelled caller stays until the client is
        closed, unless the service refused it.
        """
        return (*self._submitter.unsettled, *self._left)

    # ------------------------------------------------------------------------------------ finding videos

    def attach(self, reference: str) -> TaskHandle:
        """A handle to a task made earlier or elsewhere; no request is made until it is awaited.

        Args:
            reference: `image2video:<id>`, from `handle.reference`, `task.reference` or an error.

        Raises:
            InvalidReference: it is none.
        """
        parsed = _parse(reference)
        self._check_open()
        return TaskHandle(self, parsed)

    async def get_task(self, reference: str) -> Task:
        """Asks for a task once, whatever its status.

        Raises:
            InvalidReference: it is no reference.
            TaskNotFound: the service does not know it.
            KlingError: the service could not be asked.
        """
        parsed = _parse(reference)
        self._enter()
        return await self._api.get_task(_endpoint(parsed.endpoint), parsed.id)

    async def tasks(self, endpoint: str = "image2video", *, page_size: int = 100) -> AsyncGenerator[Task, None]:
        """All tasks of the account, page by page, in no documented order.

        Args:
            endpoint: whose tasks.
            page_size: tasks per request, 1 to 500.

        Raises:
            InvalidRequest: a value is out of range.
            KlingError: the service could not be asked.
        """
        found = endpoint_named(endpoint) if isinstance(endpoint, str) else None
        if found is None or not found.lists:
            known = ", ".join(each.name for each in all_endpoints() if each.lists)
            raise InvalidRequest.of([Problem("endpoint", f"must be one of {known}")])
        if type(page_size) is not int or page_size not in range(1, found.page_maximum + 1):
            raise InvalidRequest.of([Problem("page_size", f"must be from 1 to {found.page_maximum}")])
        self._enter()
        seen: set[str] = set()
        warned = False
        for number in range(1, requests.PAGE_NUMBER_MAXIMUM + 1):
            page = await self._api.page(found, number, page_size)
            if len(page.tasks) < page.length and not warned:
                warned = True
                logger.warning(
                    "the list of %s has tasks that cannot be read; they are left out",
                    endpoint,
                    extra={"kling_event": "unreadable_tasks", "kling_page": number},
                )
            for task in page.tasks:
                if task.task_id not in seen:  # tasks made meanwhile push others to the next page
                    seen.add(task.task_id)
                    yield task
            if page.length < page_size:
                return

    # --------------------------------------------------------------------------------------------- life

    async def close(self) -> None:
        """Ends the client; idempotent and quick.

        Waiters get `ClientClosed` with the reference of their task, which goes on at the service. Creates whose
        outcome is not known yet get up to 10 seconds.
        """
        if self._closing is None:
            self._closed = True
            self._slots.close()
            self._closing = asyncio.get_running_loop().create_task(self._close())
        # To its end, whoever is cancelled while he waits for it; who calls again waits for the same.
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        try:
            await self._submitter.close()
        finally:
            unfinished = [str(following.reference) for following in self._poller.unfinished()]
            if unfinished:
                logger.warning(
                    "closed with %d unfinished: %s",
                    len(unfinished),
                    ", ".join(unfinished),
                    extra={"kling_event": "closed_unfinished", "kling_references": unfinished},
                )
            if self._loop is not None:
                await self._poller.close()
            await self._transport.close()
            if self._loop is not None:
                threads.leave(self._loop)

    async def __aenter__(self) -> Self:
        """The client itself."""
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes."""
        await self.close()

    def __repr__(self) -> str:
        """Whether it is open; no secrets."""
        return f"<KlingClient {'closed' if self._closed else 'open'}>"

    # --------------------------------------------------------------------------------- for the handles

    def start_following(self, reference: Reference) -> TaskWatch:
        """Begins to follow an attached task, or joins who follows it already."""
        self._enter()
        following = self._poller.find(reference)
        if following is None:
            self._slots.attach()
            following = self._poller.follow(reference, created=None, on_end=self._slots.detach)
        return following

    async def save(self, handle: TaskHandle, path: str | PathLike[str], *, watermark: bool, overwrite: bool) -> Path:
        """Saves a handle's video; `TaskHandle.save` is the way to call it."""
        self._enter()
        try:
            async with self._downloads.reserve(path, handle.task_id, watermark=watermark, overwrite=overwrite) as place:
                return await self._save(handle, place, watermark=watermark, overwrite=overwrite)
        except DownloadError as error:
            error.about(handle.reference)
            raise

    async def stream(self, handle: TaskHandle, *, watermark: bool) -> AsyncGenerator[bytes, None]:
        """Streams a handle's video; `TaskHandle.stream` is the way to call it."""
        self._enter()
        task = await handle.wait()
        refresh = functools.partial(self.get_task, task.reference)
        async with contextlib.aclosing(self._downloads.stream(task, refresh, watermark=watermark)) as chunks:
            async for chunk in chunks:
                yield chunk

    # ------------------------------------------------------------------------------------------- inside

    @functools.cached_property
    def _downloads(self) -> "Downloads":
        from kling_async.io.download import Downloads  # noqa: PLC0415  (on first use: nothing is saved before minutes)

        return Downloads(self._transport, self._saved_at_once, self._retry, self._uniform, self._api.service_time)

    async def _save(self, handle: TaskHandle, place: "Target", *, watermark: bool, overwrite: bool) -> Path:
        task = await handle.wait()
        refresh = functools.partial(self.get_task, task.reference)
        return await self._downloads.save(task, place, refresh, watermark=watermark, overwrite=overwrite)

    async def _submit(
        self, request: ImageToVideo, *, strict: bool, if_exists: IfExists, on_doubt: OnDoubt
    ) -> TaskHandle:
        from kling_async.io.validation import problems_of  # noqa: PLC0415  (on first use: the rules take time)

        self._enter()
        endpoint = endpoint_of(request)
        if endpoint is None:
            kinds = ", ".join(known.record.__name__ for known in all_endpoints())
            raise InvalidRequest.of([Problem("request", f"expected {kinds}, got {type(request).__name__}")])
        _one_of("if_exists", if_exists, get_args(IfExists))
        _one_of("on_doubt", on_doubt, get_args(OnDoubt))
        _refuse(await self._api.persistently(lambda: problems_of(endpoint, request)), strict=strict)
        try:
            following = await self._submitter.submit(endpoint, request, if_exists=if_exists, on_doubt=on_doubt)
        except RequestRefused as error:
            _name_the_models(error, endpoint, request)
            raise
        return TaskHandle(self, following.reference, following)

    def _enter(self) -> None:
        """One client, one loop, and open."""
        self._check_open()
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
            threads.enter(loop)
            # Here, where nobody waits yet, and not in the middle of the first answers.
            from kling_async.protocol.wire import codec  # noqa: PLC0415  (not at import: cattrs is slow)

            codec.prepare()
        elif self._loop is not loop:
            raise WrongEventLoop(
                "this client belongs to another event loop; make one client per loop (per asyncio.run)"
            )

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosed("the client is closed; make a new one, and attach(reference) to go on")


def _is_a(value: object, *kinds: type) -> bool:
    return value is None or isinstance(value, kinds)


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _one_of(name: str, value: object, words: tuple[str, ...]) -> None:
    if value not in words:
        raise InvalidRequest.of([Problem(name, f"must be one of {', '.join(words)}")])


def _parse(reference: str) -> Reference:
    try:
        parsed = Reference.parse(reference)
    except ValueError as error:
        raise InvalidReference(str(error)) from None
    _endpoint(parsed.endpoint)
    return parsed


def _endpoint(name: str) -> Endpoint[Any]:
    found = endpoint_named(name)
    if found is None:
        known = ", ".join(endpoint.name for endpoint in all_endpoints())
        raise InvalidReference(f"unknown endpoint {name!r}; known: {known}")
    return found


def _refuse(problems: list[Problem], *, strict: bool) -> None:
    refused = [problem for problem in problems if not problem.only_warns]
    if refused and (strict or not all(problem.by_map for problem in refused)):
        raise InvalidRequest.of(refused)
    for problem in problems:
        # The caller's line: above this function, _submit and image_to_video or submit.
        warnings.warn(str(problem), CapabilityWarning, stacklevel=4)


def _no_file(path: str | PathLike[str]) -> TargetError:
    return TargetError(
        f"{text_of(path)!r} is a directory: generate needs the name of a file. In a directory a file is called after "
        "its task, so that a second run would find none and pay again; submit and save do that"
    )


def _refuse_without_mark(request: ImageToVideo, *, watermark: bool) -> None:
    """Nothing is paid for what cannot be saved afterwards."""
    asked = getattr(request, "watermark_info", None)
    if watermark and not (isinstance(asked, WatermarkInfo) and asked.enabled):
        raise InvalidRequest.of([Problem("watermark_info", "must be enabled for a watermarked video to be saved")])


def _name_the_models(error: RequestRefused, endpoint: Endpoint[Any], request: object) -> None:
    """A refusal may be about a model that nobody knows: then it says which there are."""
    model_name = getattr(request, "model_name", None)
    unknown = endpoint.capabilities and model_name and endpoint.capabilities.unknown_model(model_name)
    if unknown:
        error.message = f"{error.message}; {unknown}"
