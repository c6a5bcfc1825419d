"""Callbacks reach waiters: signed ones are applied, unsigned ones are hints, invalid ones are ignored."""

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from kling_async import ConfigurationError, ImageToVideo, KlingClient, Polling, Task, TaskFailed, TaskStatus
from kling_async.emulator import Emulator
from kling_async.journal.entry import EntryState
from kling_async.protocol import webhook
from kling_async.web import CallbackReceiver
from tests.shell.conftest import ClientMaker, wall
from tests.web.callbacks import SECRET, current, legacy, sender, signed


def polls(emulator: Emulator) -> int:
    """Returns the number of polls so far."""
    return emulator.ledger.requests["query"] + emulator.ledger.requests["list"]


@pytest.mark.parametrize(("body", "word"), [(legacy, "succeed"), (current, "succeeded")])
async def test_a_signed_callback_completes_a_handle(
    client: KlingClient, image: Path, emulator: Emulator, body: Any, word: str
) -> None:
    """Waiters have the result when the callback is answered, without a poll."""
    handle = await client.image_to_video(image)
    answer = await sender(client).post(body(handle.task_id, word))
    assert (answer.status, answer.body) == (200, b"")
    assert handle.done()
    task = await handle
    assert task.videos[0].url.endswith("/a.mp4")
    assert (task.reference, task.external_task_id) == (handle.reference, handle.external_task_id)
    assert polls(emulator) == 0


@pytest.mark.parametrize("kind", [bytearray, memoryview])
async def test_a_body_may_be_any_bytes(client: KlingClient, image: Path, kind: Callable[[bytes], Any]) -> None:
    """A body may be any bytes-like object."""
    handle = await client.image_to_video(image)
    body = legacy(handle.task_id, "succeed")
    answer = await sender(client).receiver.handle("POST", "/kling", signed(body), kind(body))
    assert (answer.status, handle.done()) == (200, True)


async def test_a_signed_failure(client: KlingClient, image: Path) -> None:
    """A failed task raises, with the service's reason."""
    handle = await client.image_to_video(image)
    await sender(client).post(legacy(handle.task_id, "failed", task_status_msg="risk control"))
    with pytest.raises(TaskFailed, match="risk control"):
        await handle


async def test_updates_by_callbacks(client: KlingClient, image: Path) -> None:
    """Each status comes once, in order, through `updates()`."""
    handle = await client.image_to_video(image)
    sent = sender(client)

    async def post() -> None:
        for status in ("processing", "processing", "succeed", "succeed", "processing"):
            await asyncio.sleep(0.01)
            await sent.post(legacy(handle.task_id, status))

    posting = asyncio.create_task(post())
    statuses = [task.status async for task in handle.updates()]
    assert statuses[-2:] == [TaskStatus.PROCESSING, TaskStatus.SUCCEED]
    assert len(statuses) == len(set(statuses))
    await posting


async def test_an_older_callback_is_ignored(client: KlingClient, image: Path) -> None:
    """No older status overwrites a newer one."""
    handle = await client.image_to_video(image)
    sent = sender(client)
    await sent.post(legacy(handle.task_id, "processing", after=60))
    answer = await sent.post(legacy(handle.task_id, "failed", after=59))
    assert answer.status == 200
    assert handle.status is TaskStatus.PROCESSING
    assert not handle.done()


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda body, headers: (body + b" ", headers), 401),
        (lambda body, _: (body, signed(body, "whsec_AAAA")), 401),
        (lambda body, _: (body, signed(body, age=301)), 401),
        (lambda body, _: (body, signed(body, age=-302)), 401),
        (lambda body, _: (body, {}), 401),
        (lambda *_: (b"{", signed(b"{")), 400),
        (lambda *_: (b"[]", signed(b"[]")), 400),
        (lambda *_: (b"\xff", signed(b"\xff")), 400),
        (lambda *_: (b'{"task_id": "1"}', signed(b'{"task_id": "1"}')), 400),
        (lambda *_: (b" " * (2**20 + 1), signed(b" ")), 413),
    ],
)
async def test_a_refused_callback_changes_nothing(
    client: KlingClient, image: Path, caplog: pytest.LogCaptureFixture, spoil: Any, status: int
) -> None:
    """A wrong signature, an old or a future time, garbage, a large body: 4xx, and one line without the body."""
    handle = await client.image_to_video(image)
    body = legacy(handle.task_id, "succeed")
    body, headers = spoil(body, signed(body))
    caplog.clear()
    answer = await sender(client, token="t-1").post(body, headers)
    assert answer.status == status
    assert handle.status is TaskStatus.SUBMITTED
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.__dict__["kling_event"] == "callback_refused"
    assert record.__dict__["kling_status"] == status
    assert str(handle.task_id) not in record.getMessage()
    assert b"succeed" not in answer.body


async def test_a_message_is_taken_once(client: KlingClient, image: Path) -> None:
    """A repeated signed message is answered with 200, and ignored."""
    handles = [await client.image_to_video(image) for _ in range(2)]
    sent = sender(client)
    for handle in handles:  # the second message has the id of the first
        body = legacy(handle.task_id, "succeed")
        assert (await sent.post(body, signed(body, message_id="m"))).status == 200
    assert [handle.done() for handle in handles] == [True, False]


async def test_a_refused_message_is_not_remembered(client: KlingClient, image: Path) -> None:
    """A refused message does not use up its id."""
    handle = await client.image_to_video(image)
    sent, body = sender(client, allow_unsigned=True), legacy(handle.task_id, "succeed")
    assert (await sent.post(body, signed(body, "whsec_AAAA", message_id="m"))).status == 401
    assert (await sent.post(b"{}", signed(b"{}", message_id="m"))).status == 400
    await sent.post(body, signed(body, message_id="m"))
    assert handle.done()


async def test_a_cancelled_message_is_not_remembered(client: KlingClient) -> None:
    """A message whose handling is cancelled is applied when the sender repeats it."""
    kept, hangs = [], asyncio.Event()

    async def keep(task: Task, body: bytes, *, signed: bool) -> None:
        kept.append((task.task_id, body, signed))
        if len(kept) == 1:
            await hangs.wait()

    client.callbacks.keep = keep
    sent, body = sender(client), legacy("1", "succeed")
    headers = signed(body, message_id="m")
    posting = asyncio.create_task(sent.post(body, headers))
    await asyncio.sleep(0.1)
    posting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await posting
    assert (await sent.post(body, headers)).status == 200
    assert kept == [("1", body, True)] * 2
    await sent.post(body, headers)
    assert len(kept) == 2


async def test_signatures_may_come_in_several_lines(client: KlingClient, image: Path) -> None:
    """The right signature counts in any position, as if all were in one line."""
    for place in (0, 3):
        handle = await client.image_to_video(image)
        body = legacy(handle.task_id, "succeed")
        headers = list(signed(body).items())
        headers.insert(place, ("webhook-signature", "v1,AAAA"))
        answer = await sender(client).receiver.handle("POST", "/kling", CIMultiDict(headers), body)
        assert answer.status == 200
        assert handle.done()


async def test_an_unsigned_callback_is_a_hint(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """It is not applied: the task is soon polled once, and the service's response is applied."""
    client = make_client(polling=Polling(first=60))
    handle = await client.image_to_video(image)
    await asyncio.sleep(10)  # its status is now processing
    sent = sender(client, secrets=[])
    for _ in range(5):
        assert (await sent.post(legacy(handle.task_id, "processing"), {})).status == 200
    assert handle.status is TaskStatus.SUBMITTED
    await asyncio.sleep(2)
    assert (handle.status, polls(emulator)) == (TaskStatus.PROCESSING, 1)
    await sent.post(legacy(handle.task_id, "processing"), {})  # known already
    await asyncio.sleep(2)
    assert polls(emulator) == 1


async def test_a_false_hint(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """False unsigned callbacks cause at most two polls a second, and change nothing."""
    client = make_client(polling=Polling(first=60))
    handle = await client.image_to_video(image)
    sent = sender(client, secrets=[])
    for _ in range(100):
        await sent.post(legacy(handle.task_id, "succeed"), {})
        await asyncio.sleep(0.05)
    assert not handle.done()
    assert 2 <= polls(emulator) <= 11


@pytest.mark.parametrize(("target", "status"), [("/kling/t-1", 200), ("/kling?token=t-1", 200), ("/kling/t-2", 401)])
async def test_a_token(client: KlingClient, target: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    """An unsigned callback must be sent to the URL with the token, which is never logged."""
    sent = sender(client, secrets=[], token="t-1")
    sent.target = target
    assert (await sent.post(legacy("1", "succeed"), {})).status == status
    assert "t-1" not in caplog.text + repr(sent.receiver)
    assert "t-2" not in caplog.text


async def test_a_success_without_its_result_is_a_hint(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """A signed callback without the result makes the client poll the task."""
    client = make_client(polling=Polling(first=60))
    handle = await client.image_to_video(image)
    await asyncio.sleep(10)
    await sender(client).post(legacy(handle.task_id, "succeed", task_result={}))
    await asyncio.sleep(2)
    assert (handle.status, polls(emulator)) == (TaskStatus.PROCESSING, 1)


async def test_attached_handles_wake(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """A task that was attached, by either of its ids, is completed by a callback that comes before the first answer."""
    task_id = (await make_client().image_to_video(image)).task_id
    external = emulator.ledger.entries[0].external_task_id
    for name in (task_id, external):
        client = make_client()
        handle = client.attach(f"image2video:{name}")
        waiting = asyncio.create_task(handle.wait())
        await asyncio.sleep(0)
        body = legacy(task_id, "succeed", task_info={"external_task_id": external})
        await sender(client).post(body)
        assert (await waiting).task_id == task_id
        assert handle.reference == f"image2video:{task_id}"
        await asyncio.sleep(5)  # the response to the pending poll comes, and is ignored


async def test_recovered_handles_wake(make_client: ClientMaker, image: Path, path: Path) -> None:
    """A callback completes a task in the process that recovered it."""
    async with make_client(journal=path) as first:
        task_id = (await first.submit(ImageToVideo(image), key="cat")).task_id
    async with make_client(journal=path) as second:
        [handle] = [handle async for handle in second.recover()]
        await sender(second).post(legacy(task_id, "succeed"))
        assert handle.done()


async def test_callbacks_of_tasks_not_followed(make_client: ClientMaker, image: Path, path: Path) -> None:
    """A callback for work in the journal that this client does not follow is written there; others are dropped."""
    async with make_client(journal=path) as first:
        task_id = (await first.submit(ImageToVideo(image), key="cat")).task_id
    async with make_client(journal=path) as second:
        sent = sender(second)
        for body in (legacy("1", "succeed"), legacy(task_id, "processing"), legacy(task_id, "succeed")):
            assert (await sent.post(body)).status == 200
        [entry] = [entry async for entry in second.journal.entries()]
        assert (entry.state, entry.status) == (EntryState.ENDED, TaskStatus.SUCCEED)


async def test_work_of_a_living_client_is_left_to_it(
    make_client: ClientMaker, emulator: Emulator, image: Path, path: Path
) -> None:
    """A callback that reaches another client of the journal does not hide what the task has cost."""
    client, other = make_client(journal=path), make_client(journal=path)
    handle = await client.submit(ImageToVideo(image), key="cat")
    assert len([entry async for entry in client.journal.entries()]) == 1  # and its acceptance is on disk
    await sender(other).post(legacy(handle.task_id, "succeed"))
    [entry] = [entry async for entry in other.journal.entries()]
    assert entry.state is EntryState.ACCEPTED
    await handle
    [entry] = [entry async for entry in client.journal.entries()]
    assert entry.units == emulator.ledger.charged


async def test_an_unknown_task_is_dropped(client: KlingClient, emulator: Emulator) -> None:
    """A callback for an unknown task is answered with 200, signed or not, and causes no poll."""
    for sent, headers in ((sender(client), None), (sender(client, secrets=[]), {})):
        for body in (legacy("1", "succeed"), current("1", "submitted"), legacy("1", "paused")):
            assert (await sent.post(body, headers)).status == 200
    await asyncio.sleep(100)
    assert polls(emulator) == 0


async def test_a_closed_client(make_client: ClientMaker) -> None:
    """While a service shuts down its callbacks are answered with 503: a repeated one may reach the next process."""
    client = make_client()
    sent = sender(client)
    await client.close()
    assert (await sent.post(legacy("1", "succeed"))).status == 503


async def test_a_callback_of_a_task_that_is_being_polled(client: KlingClient, image: Path, emulator: Emulator) -> None:
    """A callback that comes during polls and listings ends the task once; it is not polled again."""
    handles = [await client.image_to_video(image) for _ in range(5)]
    sent = sender(client)
    await asyncio.sleep(40)
    for handle in handles:
        watch = handle._watch
        assert watch is not None
        client._poller._plan._of(watch.reference).queue.put(watch, asyncio.get_running_loop().time(), 0)
    client._poller._step()
    await asyncio.sleep(0)
    for handle in handles:
        await sent.post(legacy(handle.task_id, "succeed"))
    before = [await handle for handle in handles]
    before_wait = polls(emulator)
    await asyncio.sleep(1000)
    assert [await handle for handle in handles] == before
    assert polls(emulator) <= max(before_wait, 5)


# ------------------------------------------------------------------------------------------ the address


async def test_the_address_is_put_on_creates(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """Each create without a callback URL gets the client's, always with the same token; others keep their own."""
    client = make_client(callback_url="http://127.0.0.1:9/kling/{token}")
    await client.image_to_video(image)
    await client.image_to_video(image, callback_url="http://127.0.0.1:9/mine")
    await client.text_to_audio("rain", duration=5)
    await asyncio.sleep(1000)
    assert emulator.secret_key not in repr(client)
    token = webhook.token_of(emulator.secret_key)
    assert client.callbacks.token == token
    urls = [callback.url for callback in emulator.ledger.callbacks]
    assert set(urls) == {f"http://127.0.0.1:9/kling/{token}", "http://127.0.0.1:9/mine"}
    assert len(urls) == 6


async def test_a_receiver_uses_the_token_of_its_client(make_client: ClientMaker) -> None:
    """`{token}` needs no further setting; another token beside it is a mistake."""
    client = make_client(callback_url="https://me.example/kling/{token}")
    sent = sender(client, secrets=[])
    assert (await sent.post(legacy("1", "succeed"), {})).status == 401
    sent.target = f"/kling/{client.callbacks.token}"
    assert (await sent.post(legacy("1", "succeed"), {})).status == 200
    with pytest.raises(ConfigurationError, match="no other one"):
        CallbackReceiver(client, token="t-1")


async def test_a_create_that_is_sent_again(make_client: ClientMaker, image: Path, path: Path) -> None:
    """The journal does not hold the token."""
    async with make_client(journal=path, callback_url="https://me.example/{token}") as client:
        await client.submit(ImageToVideo(image), key="cat")
        [entry] = [entry async for entry in client.journal.entries()]
        assert "callback_url" not in entry.request
        token = client.callbacks.token or ""
    assert all(token.encode() not in file.read_bytes() for file in path.parent.iterdir() if file.is_file())


@pytest.mark.parametrize(
    "address",
    [
        "http://me.example/kling",
        "ftp://me.example",
        "https://",
        "me.example/kling",
        "https://{token}.example/",
        "https://me.example/#a",
        "https://u:p@me.example/",
        "https://me.example:0/",
        "https://[me/",
        "https://me.example/a b",
        7,
    ],
)
def test_invalid_addresses(address: Any) -> None:
    """A callback URL that the service cannot post to, or that is not encrypted, is refused at once."""
    with pytest.raises(ConfigurationError, match="callback_url"):
        KlingClient(api_key="k", callback_url=address)


@pytest.mark.parametrize("address", ["https://me.example/k?t={token}", "http://localhost:8000/k", "http://[::1]/k"])
def test_addresses(address: str) -> None:
    """A callback URL has https, or http on this machine."""
    KlingClient(api_key="k", callback_url=address)


async def test_a_token_that_the_service_repeats(make_client: ClientMaker) -> None:
    """An error message of the service that repeats the callback URL is shown without the token."""
    client = make_client(callback_url="https://me.example/{token}")
    body = legacy("1", "failed", task_status_msg=f"cannot post to https://me.example/{client.callbacks.token}")
    task = client.callbacks.read(body)
    assert task is not None
    assert str(client.callbacks.token) not in task.status_msg
    assert "me.example" in task.status_msg


def test_invalid_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invalid secrets and tokens are refused when the receiver is created."""
    monkeypatch.setenv("KLING_API_KEY", "k")
    given: list[dict[str, Any]] = [{"secrets": SECRET}, {"secrets": ""}, {"secrets": ["whsec_"]}, {"token": ""}]
    for options in given:
        with pytest.raises(ConfigurationError):
            CallbackReceiver(KlingClient(), **options)


def test_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """None as secrets is the same as none."""
    monkeypatch.setenv("KLING_API_KEY", "k")
    assert repr(CallbackReceiver(KlingClient(), secrets=None)) == repr(CallbackReceiver(KlingClient()))


async def test_the_clock_of_a_receiver(client: KlingClient) -> None:
    """The time of a message is compared with the clock of the receiver."""
    late = sender(client, clock=lambda: wall()() + 400)
    assert (await late.post(legacy("1", "succeed"))).status == 401
    assert json.loads(legacy("1", "succeed"))["task_id"] == "1"
