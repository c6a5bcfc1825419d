"""The client: the whole surface, put together."""

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
            crash does not reach it. If it raises, nothing is sent. With a journal, that has it by then.
        on_event: is told each thing that happens, as one of the values of `kling_async.events`: a plain function, which
            runs in the event loop and must be quick, since nothing else happens meanwhile; one that has more to do puts
            events into a queue. What it raises is in the log, once, and changes nothing.
        journal: the file of a journal, or a `Journal`: what is paid for is there before it is sent, so that `recover`
            and the `key` of `submit` find it again after a crash.
        budget: what may be spent: what does not fit is not sent, and raises `BudgetExceeded`. With a journal it is kept
            there, and holds for all that share it.
        callback_url: put on each create that has none, so that the service posts there what becomes of its task;
            `kling_async.web.CallbackReceiver` takes that. It begins with https://, or with http:// on this machine.
            `{token}` in it becomes a text that nobody can guess, and that stays the same for these credentials.
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
        """Submits a request and returns once the service accepted it; waits in line at the account's limit.

        Args:
            request: a record of what to make, such as `ImageToVideo`, or a `RawTask`. With a `Call`, such as
                `TextToSpeech` or a `RawCall`, there are no options and no line.
            strict: False turns refusals of the capability map, and only those, into `CapabilityWarning`.
            if_exists: what to do if the `external_task_id` belongs to an older task: `raise` a conflict, or `adopt` it.
            on_doubt: what to do if the answer was lost and look-ups over `Retry.settle` seconds find no task: send the
                same id again (`settle`), or `raise` CreateInDoubt and never send twice.
            deadline: seconds from acceptance until waiters get `TaskTimeout`, in place of the `deadline` of `polling`.
                A task that this client follows already keeps its own.
            queue_deadline: seconds that the request may stand in line for a slot, in place of the client's; `math.inf`
                for ever.
            key: the caller's own name for this piece of work, 1 to 1000 letters; needs a journal. The same key again,
                in any process, gives the same task, a failed one too, and never a second one.
            again: `failed` begins anew where the last task of the key has failed.
            save_to: where `save()` of the handle puts the files, in any process; needs a journal. The
                newest one counts.

        Returns:
            The handle; the task is followed from now on. With a `Call`, the value of its answer.

        Raises:
            InvalidRequest: the documentation forbids it; all problems at once, nothing sent.
            MediaFileMissing: as `InvalidRequest`; a file does not exist.
            ExternalTaskIdConflict: the id belongs to an older task.
            QueueTimeout: no slot came free in `queue_deadline` seconds.
            CreateInDoubt: no answer told whether the task exists; `reference`, where there is one, finds out.
            CallInDoubt: the answer to a `Call` that charges was lost; it may be billed, and is not sent again.
            UnexpectedAnswer: a `RawTask` was answered without a task, or a `Call` not as documented.
            ApiError: the service refused; nothing was created.
            KeyConflict: the key belongs to another request, `differences` says how; nothing was sent.
            BudgetExceeded: the client's budget has not enough left; nothing was sent.
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
        """Checks a request as `submit` does, its files too, and sends nothing: for who has to answer before its turn.

        Args:
            request: a record of what is to be made.
            strict: as of `submit`.

        Raises:
            InvalidRequest: `submit` would refuse it; all problems at once.
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
        """From a request to a file: proves the place, then pays, waits and saves.

        Where the file is there already nothing is sent, so that a program that is run again pays for nothing twice.
        The place is kept from the beginning: no other save of this process gets it meanwhile. If the caller is
        cancelled once a task may exist, `unsettled` names it, and `attach(reference).save(path)` goes on.

        Args:
            request: what to make.
            path: a file; with a `key` also a directory, where the file is called after the key. Where the work of the
                key is saved whole already, its path is given. Without a key a directory is refused, since a file that
                is called after its task is no file of an earlier run. Where the request has several results it must be
                a directory, and a second run without a key pays again.
            overwrite: replaces an existing file, once the new one is whole.
            watermark: saves the watermarked variant, which the request's `watermark_info` must ask for.
            **options: those of `submit`.

        Returns:
            Where the (first) file is.

        Raises:
            DownloadError: the result is no file (voices, elements); nothing was sent.
            TargetExists: there is a file, and `overwrite` is False; nothing was sent.
            TargetError: the place cannot be written to; nothing was sent.
            SaveInProgress: another save writes to the same file; nothing was sent.
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
        """References of creates that nobody has a handle of, and that may be paid for.

        Those in doubt at the moment, and those whose caller was cancelled: they are brought to their end in the
        background, and `attach(reference)` gets the task. An entry of a cancelled caller stays until the client is
        closed, unless the service refused it.
        """
        return self._submitter.under_way.unsettled

    # ------------------------------------------------------------------------------------ finding videos

    @property
    def journal(self) -> "AnyJournal":
        """The client's journal: `async for entry in client.journal.entries()`.

        Raises:
            ConfigurationError: it has none.
        """
        return self.works.journal.journal

    async def recover(self) -> AsyncGenerator[TaskHandle, None]:
        """Handles of all that clients left in the journal which are closed, or whose processes are gone.

        What is running or not saved yet comes first, `save()` puts it where it was to go. Then comes what may or may
        not have been sent, as it settles: it is looked up, and sent with the same id where the service says that there
        is no such task. It ends without waiting for the tasks. What nobody can get any more is in the log and in the
        journal as `lost`: tasks older than 30 days, and creates in doubt of endpoints that find no task by its id.

        Raises:
            ConfigurationError: the client has no journal.
            JournalError: the journal cannot be read or written.
        """
        self._enter()
        async with contextlib.aclosing(self.works.recover()) as recovered:
            async for submitted in recovered:
                yield self._handle_of(submitted)

    def use_journal(self, journal: "AnyJournal | str | PathLike[str]") -> None:
        """Keeps in a journal what is paid for from now on, as `KlingClient(journal=...)` does from the beginning.

        Raises:
            ConfigurationError: it is no path, or the client has another one.
        """
        self._use_journal(journal)

    async def spending(self) -> "Spending":
        """What the client's budget has reserved and settled in its present window, and what is left.

        Raises:
            ConfigurationError: the client has no budget.
            JournalError: the journal cannot be read.
        """
        if self._budget is None:
            raise ConfigurationError("this client has no budget: KlingClient(budget=Budget(units=60))")
        self._enter()
        return await self._budget.account.spending()

    def attach(self, reference: str) -> TaskHandle:
        """A handle to a task made earlier or elsewhere; no request is made until it is awaited.

        Args:
            reference: `<endpoint>:<id>`, from `handle.reference`, `task.reference` or an error.

        Raises:
            InvalidReference: it is none.
        """
        parsed = self._parsed(reference)
        self._lifetime.check_open()
        return TaskHandle(self, parsed)

    async def get_task(self, reference: str) -> Task:
        """Asks for a task once, whatever its status.

        Raises:
            InvalidReference: it is no reference.
            TaskNotFound: the service does not know it.
            KlingError: the service could not be asked.
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
        """All tasks of the account, page by page, in no documented order.

        Args:
            endpoint: whose tasks: the first half of their references, `image2video` or `raw:<path>`; `tasks` for those
                of all endpoints, as the current generation lists them.
            page_size: tasks per request, 1 to 500.
            since: when they were made at the earliest, with its zone (`tasks` only, which else begins 30 days ago).
            status: that they have (`tasks` only).

        Raises:
            InvalidRequest: a value is out of range.
            ConfigurationError: `tasks` needs an API key, and a host that serves it.
            KlingError: the service could not be asked.
        """
        listed, wanted = refusals.listed_endpoint(endpoint, page_size, since, status)
        self._check_generation(listed)
        self._enter()
        return all_tasks(self._api, listed, page_size, since=since, status=wanted)

    async def tasks_since(self, since: datetime, *, prefix: str | None = None) -> AsyncGenerator[TaskHandle, None]:
        """Handles of the tasks that were made since a time, for a client without a journal whose process is gone.

        Nothing is owned by it: another client may follow the same tasks. Those of the legacy generation are among
        them, too, as the account's list has them. The handles are cold, as those of `attach`.

        Args:
            since: when they were made at the earliest, with its zone.
            prefix: what their `external_task_id` begins with, "" for all tasks; else that of the ids that are made
                here where a request has none.

        Raises:
            InvalidRequest: it is no time with a zone.
            ConfigurationError: this needs an API key, and a host that serves it.
            KlingError: the service could not be asked.
        """
        refusals.check_moment(since)
        begin = OWN_IDS if prefix is None else prefix
        async with contextlib.aclosing(self.tasks(TASKS, page_size=500, since=since)) as tasks:
            async for task in tasks:
                if (task.external_task_id or "").startswith(begin):
                    yield TaskHandle(self, Reference(task.endpoint, task.task_id))

    # --------------------------------------------------------------------------------------------- life

    async def close(self) -> None:
        """Ends the client; idempotent and quick.

        Waiters get `ClientClosed` with the reference of their task, which goes on at the service. Creates whose
        outcome is not known yet get up to 10 seconds.
        """
        if self._closing is None:
            self._lifetime.closed = True
            self._slots.close()
            self._closing = asyncio.get_running_loop().create_task(self._close())
        # To its end, whoever is cancelled while he waits for it; who calls again waits for the same.
        await asyncio.shield(self._closing)

    async def __aenter__(self) -> Self:
        """The client itself; its journal is open."""
        self._enter()
        if self._works is not None:
            await self._works.journal.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes."""
        await self.close()

    def __repr__(self) -> str:
        """Whether it is open; no secrets."""
        return f"<KlingClient {'closed' if self._lifetime.closed else 'open'}>"
