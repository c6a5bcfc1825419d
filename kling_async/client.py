"""`KlingClient`, the public client."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from datetime import datetime
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, overload

import aiohttp

from kling_async.client_base import ClientBase
from kling_async.handle import TaskHandle
from kling_async.io import refusals
from kling_async.io.events import OnEvent
from kling_async.io.submission import OWN_IDS, Again, IfExists, OnDoubt, OnIntent, SubmitOptions
from kling_async.io.task_list import all_tasks
from kling_async.methods import calls, lists, submits
from kling_async.models import Models
from kling_async.protocol import endpoints
from kling_async.protocol.call import Call
from kling_async.protocol.endpoint import Request
from kling_async.protocol.errors import ConfigurationError, KlingError
from kling_async.protocol.polling.durations import Durations
from kling_async.protocol.polling.schedule import AimedPolling, Polling
from kling_async.protocol.reference import TASKS, Reference
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import Task, TaskStatus

if TYPE_CHECKING:
    from kling_async.journal.journal import AnyJournal
    from kling_async.protocol.budget import Budget, Spending

T = TypeVar("T")


class KlingClient(ClientBase, Models):
    """Client of the Kling API: submits tasks, follows many at once on one event loop, and saves their results.

    ```python
    async with KlingClient() as kling:
        handle = await kling.image_to_video(image="cat.jpg", prompt="the cat turns its head")
        path = await handle.save("cat.mp4")
    ```

    Args:
        api_key: a plain API key; default `KLING_API_KEY`.
        access_key: used with `secret_key`; default `KLING_ACCESS_KEY`.
        secret_key: default `KLING_SECRET_KEY`.
        base_url: default `KLING_BASE_URL`, else `https://api-singapore.klingai.com`.
        concurrency: tasks in flight per `model_name`, at least 1: as many as the account's resource pack allows.
        downloads: files saved at once, at least 1.
        polling: when tasks are polled: `AimedPolling` (the default) around the time a result is expected, `Polling` on
            a fixed schedule.
        durations: how long tasks take, as learned by another client; this client updates it. Clients on one event loop
            may share one; `Durations.to_json` serializes it for other processes.
        retry: how requests that fail temporarily are retried.
        queue_deadline: seconds that a task may wait for a slot; None for no limit.
        on_intent: awaited before the first byte of each create is sent, to store its reference where it survives a
            crash. If it raises, nothing is sent. A journal has written its entry by then.
        on_event: called with each event, a value of `kling_async.events`. It is a plain function, runs in the event
            loop and blocks it, so it must be quick; for longer work, put events into a queue. An exception from it is
            logged, once, and changes nothing.
        journal: the file of a journal, or a `Journal`. Each create is recorded there before it is sent, so that
            `recover` and the `key` of `submit` find it after a crash.
        budget: how much may be spent. A request that does not fit is not sent and raises `BudgetExceeded`. With a
            journal, the budget is stored there and shared by all clients of the journal.
        callback_url: put on each create that has none, so that the service posts status changes of the task there, for
            `kling_async.web.CallbackReceiver`. It begins with https://, or with http:// for the local host.
            `{token}` in it is replaced by an unguessable text that stays the same for the same credentials.
        session: a session to use, which is left open; default: one that is created on first use.
        clock: returns seconds since 1970; for tests.

    Raises:
        ConfigurationError: there are no credentials, or a value is invalid.
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
        on_event: OnEvent | None = None,
        journal: "AnyJournal | str | PathLike[str] | None" = None,
        budget: "Budget | None" = None,
        callback_url: str | None = None,
        session: aiohttp.ClientSession | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(
            api_key=api_key,
            access_key=access_key,
            secret_key=secret_key,
            base_url=base_url,
            concurrency=concurrency,
            downloads=downloads,
            polling=polling,
            durations=durations,
            retry=retry,
            queue_deadline=queue_deadline,
            on_intent=on_intent,
            on_event=on_event,
            budget=budget,
            callback_url=callback_url,
            session=session,
            clock=clock,
        )
        if journal is not None:
            self.use_journal(journal)

    # ------------------------------------------------------------------------------------- making videos

    image_to_video = submits(lambda: endpoints.ImageToVideo)
    text_to_video = submits(lambda: endpoints.TextToVideo)
    omni_video = submits(lambda: endpoints.OmniVideo)
    motion_control = submits(lambda: endpoints.MotionControl)
    video_effect = submits(lambda: endpoints.VideoEffect)
    avatar = submits(lambda: endpoints.Avatar)
    lip_sync = submits(lambda: endpoints.LipSync)
    generate_images = submits(lambda: endpoints.GenerateImages)
    omni_image = submits(lambda: endpoints.OmniImage)
    multi_image_to_image = submits(lambda: endpoints.MultiImageToImage)
    expand_image = submits(lambda: endpoints.ExpandImage)
    text_to_audio = submits(lambda: endpoints.TextToAudio)
    video_to_audio = submits(lambda: endpoints.VideoToAudio)

    text_to_speech = calls(lambda: endpoints.TextToSpeech)

    identify_faces = calls(lambda: endpoints.IdentifyFaces)
    create_element = submits(lambda: endpoints.CreateElement)
    preset_elements = lists(lambda: endpoints.PresetElements)
    delete_element = calls(lambda: endpoints.DeleteElement)
    create_voice = submits(lambda: endpoints.CreateVoice)
    preset_voices = lists(lambda: endpoints.PresetVoices)
    delete_voice = calls(lambda: endpoints.DeleteVoice)

    account_costs = calls(lambda: endpoints.AccountCosts)
    billing_balance = lists(lambda: endpoints.BillingBalance)
    billing_package = lists(lambda: endpoints.BillingPackage)

    @overload
    async def submit(self, request: Call[T]) -> T: ...

    @overload
    async def submit(self, request: Request, **options: Unpack[SubmitOptions]) -> TaskHandle: ...

    async def submit(
        self,
        request: Request | Call[Any],
        *,
        strict: bool = True,
        if_exists: IfExists = "raise",
        on_doubt: OnDoubt = "settle",
        deadline: float | None = None,
        queue_deadline: float | None = None,
        key: str | None = None,
        again: Again | None = None,
        save_to: str | PathLike[str] | None = None,
    ) -> Any:
        """Submits a request, waiting for a slot at the account's limit; returns once the service has accepted it.

        Args:
            request: a request record, such as `ImageToVideo`, or a `RawTask`. A `Call`, such as `TextToSpeech` or a
                `RawCall`, takes no options and needs no slot.
            strict: False turns refusals of the capability map, and only those, into `CapabilityWarning`.
            if_exists: what to do if the `external_task_id` belongs to an older task: `raise` a conflict, or `adopt` it.
            on_doubt: what to do if the response was lost and look-ups over `Retry.settle` seconds find no task: send
                the same id again (`settle`), or `raise` CreateInDoubt and never send twice.
            deadline: seconds from acceptance until waiters get `TaskTimeout`, in place of the `deadline` of `polling`.
                A task that this client already follows keeps its own.
            queue_deadline: seconds that the request may wait for a slot, in place of the client's; `math.inf` for no
                limit.
            key: the caller's own name for this piece of work, 1 to 1000 letters; needs a journal. The same key, in any
                process, returns the same task, even a failed one, and never creates a second one.
            again: `failed` starts over if the last task of the key has failed.
            save_to: where `save()` of the handle puts the files, in any process; needs a journal. The newest value
                counts.

        Returns:
            The handle; the client follows the task from now on. For a `Call`, the value of its response.

        Raises:
            InvalidRequest: the documentation forbids it; lists all problems, nothing was sent.
            MediaFileMissing: as `InvalidRequest`; a file does not exist.
            ExternalTaskIdConflict: the id belongs to an older task.
            QueueTimeout: no slot became free within `queue_deadline` seconds.
            CreateInDoubt: no response shows whether the task exists; attach to `reference`, if set, to find out.
            CallInDoubt: the response to a `Call` that charges was lost; it may be billed, and is not sent again.
            UnexpectedAnswer: the response to a `RawTask` contains no task, or that to a `Call` is not as documented.
            ApiError: the service refused; nothing was created.
            KeyConflict: the key belongs to another request, see `differences`; nothing was sent.
            BudgetExceeded: not enough is left of the client's budget; nothing was sent.
            JournalError: the journal cannot be read or written; nothing was sent.
            ConfigurationError: an option needs a journal, and the client has none.
            ClientClosed: the client is closed.
        """
        self._enter()
        options = SubmitOptions(
            strict=strict,
            if_exists=if_exists,
            on_doubt=on_doubt,
            deadline=deadline,
            queue_deadline=queue_deadline,
            key=key,
            again=again,
            save_to=save_to,
        )
        if not isinstance(request, Request):
            refusals.check_call(request, options)
            return await self._calls.value_of(request)
        return await self._submit(request, options)

    async def check(self, request: Request, *, strict: bool = True) -> None:
        """Checks a request and its files as `submit` does, but sends nothing.

        For callers that must report problems before the request gets a slot.

        Args:
            request: a request record.
            strict: as in `submit`.

        Raises:
            InvalidRequest: `submit` would refuse it; lists all problems.
            ClientClosed: the client is closed.
        """
        self._enter()
        endpoint = refusals.endpoint_that_takes(request)
        refusals.refuse(await self._api.problems_of(endpoint, request), strict=strict)

    async def generate(
        self,
        request: Request,
        path: str | PathLike[str],
        *,
        overwrite: bool = False,
        watermark: bool = False,
        **options: Unpack[SubmitOptions],
    ) -> Path:
        """Submits a request, waits for its task and saves the result; checks that `path` is writable before paying.

        If the file already exists, nothing is sent, so that running a program again pays for nothing twice. The path
        is reserved from the start: no other save in this process can use it meanwhile. If the caller is cancelled once
        a task may exist, `unsettled` lists its reference, and `attach(reference).save(path)` continues.

        Args:
            request: a request record.
            path: a file; with a `key` also a directory, where the file is named after the key. If the work of the
                key is already saved completely, its path is returned. Without a key a directory is refused, since a
                file named after its task could not be found by a later run. If the request has several results, it
                must be a directory, and a second run without a key pays again.
            overwrite: replaces an existing file, once the new one is complete.
            watermark: saves the watermarked variant, which the request's `watermark_info` must request.
            **options: those of `submit`.

        Returns:
            The path of the (first) file.

        Raises:
            DownloadError: the result is not a file (voices, elements); nothing was sent.
            TargetExists: the file exists, and `overwrite` is False; nothing was sent.
            TargetError: the path cannot be written to; nothing was sent.
            SaveInProgress: another save is writing to the same file; nothing was sent.
            KlingError: as `submit`, and as `TaskHandle.save`, then with the `reference` of the task.
        """
        self._enter()
        refusals.endpoint_that_takes(request)
        key, begun, name = options.get("key"), False, None
        if self._works is not None:
            refusals.check_options(options, request, journal=True)
            options["save_to"] = path
            if key is not None:
                name, known = await self._works.known(request, options)
                if known is not None and not overwrite:
                    if (whole := await known.whole(path, watermark=watermark)) is not None:
                        return whole[0]
                    begun = known.began(path)
        reserved = self._saving.place_for(request, path, name, watermark=watermark, overwrite=overwrite or begun)
        async with reserved as place:
            refusals.refuse_without_mark(request, watermark=watermark)
            handle = await self.submit(request, **options)
            try:
                return (await self._saving.save_at(place, handle, watermark=watermark, overwrite=overwrite))[0]
            except asyncio.CancelledError:
                self._submitter.under_way.abandon(handle.reference)
                raise
            except KlingError as error:
                error.about(handle.reference)
                raise

    @property
    def unsettled(self) -> tuple[str, ...]:
        """References of creates that have no handle and that may be paid for.

        These are creates currently in doubt, and those whose caller was cancelled. The client completes them in the
        background; `attach(reference)` returns a handle to the task. An entry of a cancelled caller stays until the
        client is closed, unless the service refused the create.
        """
        return self._submitter.under_way.unsettled

    # ------------------------------------------------------------------------------------ finding videos

    @property
    def journal(self) -> "AnyJournal":
        """The client's journal: `async for entry in client.journal.entries()`.

        Raises:
            ConfigurationError: the client has no journal.
        """
        return self.works.journal.journal

    async def recover(self) -> AsyncGenerator[TaskHandle, None]:
        """Yields handles of the unfinished journal entries of clients that were closed or whose processes have died.

        Tasks that are running or not saved yet come first; `save()` puts their files where they were to go. Creates
        that may or may not have been sent follow as they settle: each is looked up, and sent with the same id if the
        service has no such task. The iteration ends without waiting for the tasks. What cannot be recovered is logged,
        and is `lost` in the journal: tasks older than 30 days, and creates in doubt of endpoints that cannot find a
        task by its external id.

        Raises:
            ConfigurationError: the client has no journal.
            JournalError: the journal cannot be read or written.
        """
        self._enter()
        async with contextlib.aclosing(self.works.recover()) as recovered:
            async for submitted in recovered:
                yield self._handle_of(submitted)

    def use_journal(self, journal: "AnyJournal | str | PathLike[str]") -> None:
        """Records creates in a journal from now on, as `KlingClient(journal=...)` does from the start.

        Raises:
            ConfigurationError: `journal` is not a path or journal, or the client already has a different journal.
        """
        self._use_journal(journal)

    async def spending(self) -> "Spending":
        """Returns what the client's budget has reserved and settled in its current window, and what is left.

        Raises:
            ConfigurationError: the client has no budget.
            JournalError: the journal cannot be read.
        """
        if self._budget is None:
            raise ConfigurationError("this client has no budget: KlingClient(budget=Budget(units=60))")
        self._enter()
        return await self._budget.account.spending()

    def attach(self, reference: str) -> TaskHandle:
        """Returns a handle to a task created earlier or elsewhere; sends no request until it is awaited.

        Args:
            reference: `<endpoint>:<id>`, from `handle.reference`, `task.reference` or an error.

        Raises:
            InvalidReference: `reference` cannot be parsed.
        """
        parsed = self._parsed(reference)
        self._lifetime.check_open()
        return TaskHandle(self, parsed)

    async def get_task(self, reference: str) -> Task:
        """Queries a task once, whatever its status.

        Raises:
            InvalidReference: `reference` cannot be parsed.
            TaskNotFound: the service has no such task.
            KlingError: the query failed.
        """
        parsed = self._parsed(reference)
        self._enter()
        return await self._api.get_task(refusals.endpoint_of_reference(parsed), parsed.id)

    def tasks(
        self,
        endpoint: str,
        *,
        page_size: int = 100,
        since: datetime | None = None,
        status: TaskStatus | Literal["submitted", "processing", "succeeded", "failed"] | None = None,
    ) -> AsyncGenerator[Task, None]:
        """Yields all tasks of the account, page by page, in no documented order.

        Args:
            endpoint: the first half of the tasks' references, `image2video` or `raw:<path>`; `tasks` for tasks of all
                endpoints, as the current generation lists them.
            page_size: tasks per request, 1 to 500.
            since: only tasks created since this time, with a time zone (`tasks` only; default 30 days ago).
            status: only tasks with this status (`tasks` only).

        Raises:
            InvalidRequest: a value is out of range.
            ConfigurationError: `tasks` needs an API key, and a host that serves it.
            KlingError: a query failed.
        """
        listed, wanted = refusals.listed_endpoint(endpoint, page_size, since, status)
        self._check_generation(listed)
        self._enter()
        return all_tasks(self._api, listed, page_size, since=since, status=wanted)

    async def tasks_since(self, since: datetime, *, prefix: str | None = None) -> AsyncGenerator[TaskHandle, None]:
        """Yields handles of the tasks created since a time, to recover tasks after a crash without a journal.

        This takes no ownership: another client may follow the same tasks. Tasks of the legacy generation are included,
        as the account's list contains them. As with `attach`, no handle sends a request until it is awaited.

        Args:
            since: the earliest creation time, with a time zone.
            prefix: the start of the tasks' `external_task_id`; "" for all tasks. Default: the prefix of the ids that
                this package generates for requests without one.

        Raises:
            InvalidRequest: `since` is not a time with a time zone.
            ConfigurationError: this needs an API key, and a host that serves it.
            KlingError: a query failed.
        """
        refusals.check_moment(since)
        begin = OWN_IDS if prefix is None else prefix
        async with contextlib.aclosing(self.tasks(TASKS, page_size=500, since=since)) as tasks:
            async for task in tasks:
                if (task.external_task_id or "").startswith(begin):
                    yield TaskHandle(self, Reference(task.endpoint, task.task_id))

    # --------------------------------------------------------------------------------------------- life

    async def close(self) -> None:
        """Closes the client; idempotent and quick.

        Waiters get `ClientClosed` with the reference of their task, which continues at the service. Creates whose
        outcome is not known yet get up to 10 seconds.
        """
        if self._closing is None:
            self._lifetime.closed = True
            self._slots.close()
            self._closing = asyncio.get_running_loop().create_task(self._close())
        # Runs to its end even if a caller is cancelled while waiting; further calls wait for the same task.
        await asyncio.shield(self._closing)

    async def __aenter__(self) -> Self:
        """Opens the journal, if there is one, and returns the client."""
        self._enter()
        if self._works is not None:
            await self._works.journal.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the client."""
        await self.close()

    def __repr__(self) -> str:
        """Whether the client is open; contains no secrets."""
        return f"<KlingClient {'closed' if self._lifetime.closed else 'open'}>"
