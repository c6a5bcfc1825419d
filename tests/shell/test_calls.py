"""Transient failures, refused tokens and invalid responses."""

import asyncio
import email.utils
import json
from pathlib import Path

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_async import (
    AuthenticationError,
    BadResponse,
    ConnectionFailed,
    CreateInDoubt,
    ExternalTaskIdConflict,
    ImageToVideo,
    InvalidRequest,
    KlingClient,
    KlingError,
    Polling,
    QueueTimeout,
    Retry,
    ServerError,
    Task,
    TaskNotFound,
    TaskStatus,
    TaskTimeout,
    TextToVideo,
    TokenTimeError,
    UnknownStatus,
)
from kling_async.emulator import Emulator
from kling_async.protocol import auth
from tests.shell.conftest import ClientMaker, wall
from tests.shell.stub import Answer, Seen, answer, refusal, script, serve, task_answer
from tests.virtual_time import EPOCH, VirtualTimeLoop

HTML = b"<html><h1>502 Bad Gateway</h1></html>"


class Service:
    """Creates get one list of responses, queries the other; the last of each is repeated."""

    def __init__(self, creates: list[Answer], queries: list[Answer]) -> None:
        self.answers = {"POST": script(*creates), "GET": script(*queries)}
        self.calls = {"POST": 0, "GET": 0}

    def __call__(self, seen: Seen) -> Answer:
        """Answers one request."""
        self.calls[seen.method] += 1
        return self.answers[seen.method](seen)


PASSING = [
    None,
    answer(502, HTML, Content_Type="text/html"),
    answer(200, HTML, Content_Type="text/html"),
    refusal(500, 5000),
    refusal(503, 5001),
    refusal(504, 5002),
    refusal(429, 1302),
    refusal(429, 1303),
    answer(200, {"code": 0, "data": {"task_id": "1"}}),
]


@pytest.mark.parametrize("failure", PASSING)
async def test_a_failing_poll_does_not_fail_the_task(make_client: ClientMaker, image: Path, failure: Answer) -> None:
    """Four transient failures in a row, of any kind, do not end the wait for a task."""
    service = Service([task_answer()], [failure] * 4 + [task_answer("processing"), failure, task_answer("succeed")])
    async with serve(service) as stub:
        handle = await make_client(base_url=stub.base_url).image_to_video(image)
        assert (await handle).status is TaskStatus.SUCCEED
    assert service.calls == {"POST": 1, "GET": 7}


async def test_not_found_is_transient_for_five_minutes(make_client: ClientMaker, image: Path) -> None:
    """The response "not found" is retried for a new task; after five minutes it raises TaskNotFound."""
    loop = asyncio.get_running_loop()
    missing = refusal(400, 1201, "Task not found by id/external id: 1")
    service = Service(
        [task_answer()], [missing, answer(404, b""), answer(200, {"code": 0, "data": []}), task_answer("succeed")]
    )
    async with serve(service) as stub:
        handle = await make_client(base_url=stub.base_url).image_to_video(image)
        assert (await handle).status is TaskStatus.SUCCEED
    async with serve(Service([task_answer()], [missing])) as stub:
        handle = await make_client(base_url=stub.base_url).image_to_video(image)
        began = loop.time()
        with pytest.raises(TaskNotFound) as caught:
            await handle
        assert 299 < loop.time() - began < 400
        assert "may go on and be billed" in str(caught.value)
        assert caught.value.reference == handle.reference


async def test_an_unknown_status_raises(make_client: ClientMaker, image: Path) -> None:
    """An undocumented status ends the wait with an error."""
    async with serve(Service([task_answer()], [task_answer("paused")])) as stub:
        handle = await make_client(base_url=stub.base_url).image_to_video(image)
        with pytest.raises(UnknownStatus, match="'paused'") as caught:
            await handle
        assert caught.value.reference == handle.reference


async def test_a_permanent_refusal_of_a_poll_ends_the_wait(make_client: ClientMaker, image: Path) -> None:
    """A revoked key ends the wait with its error and the reference, after two refusals that may be transient."""
    refused = refusal(401, 1002, "api key not found")
    service = Service([task_answer()], [refused, refused, task_answer("processing"), refused])
    async with serve(service) as stub:
        handle = await make_client(base_url=stub.base_url).image_to_video(image)
        with pytest.raises(AuthenticationError, match="api key not found") as caught:
            await handle
        assert caught.value.reference == handle.reference
    assert service.calls == {"POST": 1, "GET": 6}


@pytest.mark.parametrize("code", [1003, 1004])
async def test_a_token_refused_once_is_renewed_once(make_client: ClientMaker, code: int) -> None:
    """1003 and 1004 cause one retry with a new token; a second refusal is an error that mentions the clock."""
    tokens: list[str] = []

    def once(seen: Seen) -> Answer:
        tokens.append(seen.headers["authorization"])
        return refusal(401, code) if len(tokens) == 1 else task_answer()

    async with serve(once) as stub:
        client = make_client(base_url=stub.base_url)
        await client.get_task("image2video:1")
        assert len(tokens) == 2
    async with serve(lambda _: refusal(401, code)) as stub:
        with pytest.raises(TokenTimeError, match="clock"):
            await make_client(base_url=stub.base_url).get_task("image2video:1")
        assert len(stub.seen) == 2


async def test_many_calls_renew_one_token(make_client: ClientMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty concurrent calls whose token is refused create one new token."""
    made: list[auth.Token] = []
    really_mint = auth.mint

    def mint(credentials: auth.ApiKey | auth.KeyPair, now: float) -> auth.Token:
        made.append(really_mint(credentials, now + len(made)))  # each differs from those before
        return made[-1]

    monkeypatch.setattr("kling_async.protocol.auth.mint", mint)
    async with serve(
        lambda seen: refusal(401, 1004) if seen.headers["authorization"] == made[0].header else task_answer()
    ) as stub:
        client = make_client(base_url=stub.base_url)
        await asyncio.gather(*(client.get_task("image2video:1") for _ in range(50)))
    assert (len(made), len(stub.seen)) == (2, 100)


async def test_a_wrong_date_spoils_no_more_than_one_token(make_client: ClientMaker) -> None:
    """After a refusal with a wrong Date and one with the right Date, the same call and later ones succeed."""
    dates = [EPOCH + 7200, EPOCH, EPOCH]

    def respond(seen: Seen) -> Answer:
        claims = jwt.decode(seen.headers["authorization"].removeprefix("Bearer "), options={"verify_signature": False})
        good = len(dates) < 2 and abs(claims["nbf"] - EPOCH) < 60
        date = email.utils.formatdate(dates.pop(0) if dates else EPOCH, usegmt=True)
        body = {"code": 0, "data": {"task_id": "1", "task_status": "submitted"}}
        refused = {"code": 1003, "message": "not yet"}
        return answer(200, body, Date=date) if good else answer(401, refused, Date=date)

    async with serve(respond) as stub:
        client = make_client(base_url=stub.base_url, clock=lambda: EPOCH)
        await client.get_task("image2video:1")
        assert len(stub.seen) == 3
        await client.get_task("image2video:1")
        assert len(stub.seen) == 4


async def test_a_clock_that_is_set_right_later_is_followed(make_client: ClientMaker) -> None:
    """The clock offset is dropped once the machine's clock is right: later tokens are valid."""
    wrong_by = -3600.0

    def respond(seen: Seen) -> Answer:
        claims = jwt.decode(seen.headers["authorization"].removeprefix("Bearer "), options={"verify_signature": False})
        date = email.utils.formatdate(EPOCH, usegmt=True)
        if abs(claims["nbf"] - EPOCH) > 60:
            return answer(401, {"code": 1004, "message": "expired"}, Date=date)
        return answer(200, {"code": 0, "data": {"task_id": "1", "task_status": "submitted"}}, Date=date)

    async with serve(respond) as stub:
        client = make_client(base_url=stub.base_url, clock=lambda: EPOCH + wrong_by)
        await client.get_task("image2video:1")
        assert len(stub.seen) == 2
        wrong_by = 7200.0
        await client.get_task("image2video:1")
        await client.get_task("image2video:1")
        assert len(stub.seen) == 5


async def test_without_a_date_the_error_says_so(make_client: ClientMaker) -> None:
    """If responses have no Date, the error about a refused token says that the clock could not be compared."""
    async with serve(lambda _: refusal(401, 1003)) as stub:
        with pytest.raises(TokenTimeError, match="carries no Date"):
            await make_client(base_url=stub.base_url).get_task("image2video:1")


async def test_a_token_is_renewed_before_it_expires(make_client: ClientMaker, emulator: Emulator) -> None:
    """A client that runs for hours never sends an expired token."""
    tokens: list[str] = []

    def respond(seen: Seen) -> Answer:
        tokens.append(seen.headers["authorization"].removeprefix("Bearer "))
        return task_answer()

    async with serve(respond) as stub:
        client = make_client(base_url=stub.base_url)
        for _ in range(20):
            await client.get_task("image2video:1")
            claims = jwt.decode(
                tokens[-1], emulator.secret_key, ["HS256"], options={"verify_exp": False, "verify_nbf": False}
            )
            assert claims["exp"] - wall()() >= 299
            assert claims["nbf"] <= wall()()
            await asyncio.sleep(600)
    assert 5 < len(set(tokens)) <= 10


@pytest.mark.parametrize("minutes", [-10, 10])
async def test_a_wrong_clock_is_corrected_with_one_warning(
    make_client: ClientMaker, image: Path, caplog: pytest.LogCaptureFixture, minutes: int
) -> None:
    """A clock that is ten minutes off is corrected, with one warning, also for concurrent calls."""
    time_of_day = wall()
    client = make_client(clock=lambda: time_of_day() + 60 * minutes)
    if minutes < 0:  # an expired token: the service sees the end of its half hour
        client = make_client(clock=lambda: time_of_day() - 3600)
    for _ in range(2):
        await asyncio.gather(*(client.get_task("image2video:1") for _ in range(3)), return_exceptions=True)
        await client.image_to_video(image)
    warned = [record.getMessage() for record in caplog.records if "clock" in record.getMessage()]
    assert len(warned) == 1
    assert ("behind" if minutes < 0 else "ahead of") in warned[0]


async def test_plain_keys_are_sent_as_they_are(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """An API key goes into the header verbatim."""
    handle = await make_client(api_key=emulator.api_key).image_to_video(image)
    assert (await handle).status is TaskStatus.SUCCEED


async def test_a_key_of_the_wrong_region(make_client: ClientMaker, image: Path) -> None:
    """The error for a key that the host does not accept names the other region's host."""
    with pytest.raises(AuthenticationError, match=r"api-beijing\.klingai\.com") as caught:
        await make_client(api_key="api-key-kling-of-another-region").image_to_video(image)
    assert caught.value.code == 1002


async def test_get_task_retries_and_gives_up(make_client: ClientMaker) -> None:
    """`get_task` retries transient failures for `retry.budget` seconds; its error names the task."""
    loop = asyncio.get_running_loop()
    async with serve(script(None, refusal(500, 5000), task_answer("processing"))) as stub:
        task = await make_client(base_url=stub.base_url).get_task("image2video:1")
        assert task.status is TaskStatus.PROCESSING
    async with serve(lambda _: None) as stub:
        began = loop.time()
        with pytest.raises(ConnectionFailed) as caught:
            await make_client(base_url=stub.base_url, retry=Retry(budget=20)).get_task("image2video:1")
        assert loop.time() - began <= 21
        assert caught.value.reference == "image2video:1"


async def test_a_redirect_is_not_followed(make_client: ClientMaker) -> None:
    """Credentials are not sent across a redirect of the API."""
    async with serve(lambda _: b"") as elsewhere:
        moved = answer(302, b"", Location=f"{elsewhere.base_url}/v1/videos/image2video/1")
        async with serve(lambda _: moved) as stub:
            with pytest.raises(KlingError, match="base_url"):
                await make_client(base_url=stub.base_url).get_task("image2video:1")
        assert elsewhere.seen == []


async def test_a_refused_connection(make_client: ClientMaker, image: Path) -> None:
    """A create without a connection is retried; its error names what to check, and nothing is in doubt."""
    async with serve(lambda _: b"") as stub:
        gone = stub.base_url
    with pytest.raises(ConnectionFailed, match="check the network and base_url"):
        await make_client(base_url=gone, retry=Retry(budget=10)).image_to_video(image)


async def test_the_list_is_one_iterator(client: KlingClient, image: Path) -> None:
    """`tasks()` goes through the pages until one is short."""
    made = {(await client.image_to_video(image)).task_id for _ in range(5)}
    assert {task.task_id async for task in client.tasks("image2video", page_size=2)} == made
    assert {task.task_id async for task in client.tasks("image2video")} == made


@pytest.mark.parametrize("arguments", [{"endpoint": "nope"}, {"page_size": 0}, {"page_size": 501}, {"page_size": True}])
async def test_the_list_checks_its_arguments(client: KlingClient, arguments: dict[str, object]) -> None:
    """Page sizes beyond 1 to 500 and unknown endpoints are refused before a request."""
    with pytest.raises(InvalidRequest):
        await anext(aiter(client.tasks(**{"endpoint": "image2video", **arguments})))  # type: ignore[arg-type]  # wrong on purpose


async def test_queue_deadline(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """A create that waits too long for a slot is not sent, and its error says so."""
    client = make_client(concurrency=1, queue_deadline=20)
    await client.image_to_video(image)
    with pytest.raises(QueueTimeout, match="queue_deadline"):
        await client.image_to_video(image)
    assert emulator.ledger.created == 1


# --------------------------------------------------------------------------------------------- creates in doubt


class LostResponses:
    """A service that creates a task, or not, and then sends `failures` instead of its responses."""

    def __init__(self, *failures: Answer, effect: bool = True) -> None:
        self.tasks: dict[str, str] = {}
        self.failures = list(failures)
        self.effect = effect
        self.creates = 0

    def __call__(self, seen: Seen) -> Answer:
        """Answers one request."""
        if seen.method == "GET":
            name = seen.path.rsplit("/", 1)[1]
            found = next((pair for pair in self.tasks.items() if name in pair), None)
            if found is None:
                return refusal(400, 1201, f"Task not found by id/external id: {name}")
            return task_answer("succeed", task_id=found[1], task_info={"external_task_id": found[0]})
        self.creates += 1
        external = json.loads(seen.body).get("external_task_id", f"none-{self.creates}")
        if external in self.tasks:
            return refusal(400, 1201, f"External_task_id {external} already exists")
        if self.effect or not self.failures:
            self.tasks[external] = str(1000 + len(self.tasks))
        return self.failures.pop(0) if self.failures else task_answer(task_id=self.tasks[external])


LOST = [None, refusal(500, 5000), answer(502, HTML), answer(504, HTML), refusal(504, 5002), answer(200, HTML)]


@pytest.mark.parametrize("lost", LOST)
async def test_a_lost_answer_is_looked_up_not_paid_again(make_client: ClientMaker, image: Path, lost: Answer) -> None:
    """After a lost response to create, the task is found by its external id; nothing is sent again."""
    service = LostResponses(lost)
    async with serve(service) as stub:
        handle = await make_client(base_url=stub.base_url).image_to_video(image)
        assert (await handle).status is TaskStatus.SUCCEED
    assert (service.creates, len(service.tasks)) == (1, 1)


async def test_a_create_that_never_arrived_is_sent_again_with_the_same_id(
    make_client: ClientMaker, image: Path
) -> None:
    """When look-ups over `settle` seconds find nothing, the same external id is sent again."""
    service = LostResponses(None, effect=False)
    async with serve(service) as stub:
        loop = asyncio.get_running_loop()
        began = loop.time()
        handle = await make_client(base_url=stub.base_url).image_to_video(image)
        assert loop.time() - began >= 15
        assert (await handle).task_id == "1000"
    assert (service.creates, len(service.tasks)) == (2, 1)


async def test_a_doubt_that_is_not_settled(make_client: ClientMaker, image: Path) -> None:
    """If nothing is found for `retry.budget` seconds, CreateInDoubt has a reference that works later."""
    service = Service([None], [None])
    async with serve(service) as stub:
        with pytest.raises(CreateInDoubt) as caught:
            await make_client(base_url=stub.base_url, retry=Retry(budget=60)).image_to_video(
                image, external_task_id="job-1"
            )
    assert caught.value.reference == "image2video:job-1"


async def test_an_id_of_a_task_just_made_is_a_conflict(make_client: ClientMaker, emulator: Emulator) -> None:
    """A task that this client created is a conflict for the next request with its id, however young it is."""
    client = make_client()
    cat = await client.submit(TextToVideo("a cat", external_task_id="order-7"))
    with pytest.raises(ExternalTaskIdConflict, match="older task") as caught:
        await client.submit(TextToVideo("a dog", external_task_id="order-7"))
    assert caught.value.reference == f"text2video:{cat.task_id}"
    adopted = await client.submit(TextToVideo("a dog", external_task_id="order-7"), if_exists="adopt")
    assert (adopted.task_id, emulator.ledger.created) == (cat.task_id, 1)


async def test_an_id_of_an_old_task_is_a_conflict(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """An external id of an older task is a conflict that names the task, which is adopted only on request."""
    client = make_client()
    first = await client.image_to_video(image, external_task_id="job-1")
    await asyncio.sleep(60)
    with pytest.raises(ExternalTaskIdConflict, match="older task") as caught:
        await client.image_to_video(image, external_task_id="job-1")
    assert caught.value.reference == first.reference
    adopted = await client.submit(ImageToVideo(image, external_task_id="job-1"), if_exists="adopt")
    assert adopted.task_id == first.task_id
    assert emulator.ledger.created == 1
    await first


async def test_a_refused_create_says_that_nothing_was_created(
    client: KlingClient, image: Path, emulator: Emulator
) -> None:
    """A refusal has the service's code and request id, and frees the slot."""
    for _ in range(6):
        with pytest.raises(KlingError, match="nothing was created") as caught:
            await client.image_to_video(image, prompt="to be refused")
        assert caught.value.code == 1301
        assert caught.value.request_id
    assert emulator.ledger.created == 0


async def test_a_full_account_is_waited_for(make_client: ClientMaker, image: Path) -> None:
    """1303 is not a failure: creates wait while the account runs fewer than `concurrency` tasks."""
    async with Emulator(render=False, speed=1.0, concurrency=2, clock=wall()) as small:
        client = make_client(base_url=small.base_url, concurrency=5)
        handles = await asyncio.gather(*(client.image_to_video(image) for _ in range(6)))
        await asyncio.gather(*handles)
        assert small.ledger.created == 6
        assert small.ledger.peak() == 2
        assert small.ledger.refused[1303] <= 20


async def test_a_cancelled_create_is_settled(
    make_client: ClientMaker, image: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """If a caller is cancelled while a create is in doubt, it is settled in the background and its slot freed."""
    service = LostResponses(None)
    async with serve(service) as stub:
        client = make_client(base_url=stub.base_url, concurrency=1)
        creating = asyncio.ensure_future(client.image_to_video(image, external_task_id="job-1"))
        while not service.creates:  # noqa: ASYNC110  (the stub knows no event)
            await asyncio.sleep(0.001)
        creating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creating
        assert "image2video:job-1" in caplog.text
        handle = await client.image_to_video(image)
        assert (await handle).status is TaskStatus.SUCCEED
    assert len(service.tasks) == 2


async def test_a_create_cancelled_in_line_sends_nothing(
    make_client: ClientMaker, image: Path, emulator: Emulator
) -> None:
    """A create that is cancelled while waiting for a slot is not sent."""
    client = make_client(concurrency=1)
    first = await client.image_to_video(image)
    waiting = asyncio.ensure_future(client.image_to_video(image))
    await asyncio.sleep(1)
    waiting.cancel()
    await first
    await client.image_to_video(image)
    assert emulator.ledger.created == 2


# --------------------------------------------------------------------------------------------------- garbage

_HEADS = st.sampled_from(
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n", b"HTTP/9\r\n\r\n"]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=_HEADS, body=st.binary(max_size=200))
def test_garbage_on_the_wire_gives_a_kling_error(head: bytes, body: bytes) -> None:
    """Any bytes that a server sends end a call with a task or a KlingError."""

    async def ask() -> Task | KlingError:
        async with serve(lambda _: head + body) as stub:
            retry = Retry(first=0.01, maximum=0.01, budget=0.02)
            async with KlingClient(api_key="k" * 40, base_url=stub.base_url, retry=retry) as client:
                try:
                    return await client.get_task("image2video:1")
                except KlingError as error:
                    return error

    loop = VirtualTimeLoop()
    try:
        outcome = loop.run_until_complete(asyncio.wait_for(ask(), 600))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    assert isinstance(outcome, Task | BadResponse | ConnectionFailed | KlingError)


async def test_an_endless_response_is_refused(make_client: ClientMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A response larger than any page is refused, not read into memory."""
    monkeypatch.setattr("kling_async.io.transport.ANSWER_BYTES", 1000)
    async with serve(lambda _: answer(200, b" " * 2000)) as stub:
        with pytest.raises(BadResponse, match="larger than"):
            await make_client(base_url=stub.base_url, retry=Retry(budget=0)).get_task("image2video:1")


@pytest.mark.parametrize("budget", [0.0, 10.0, 45.0])
async def test_the_last_attempt_begins_when_the_budget_ends(make_client: ClientMaker, budget: float) -> None:
    """A failing call is tried a last time at the end of its budget, and not after it."""
    loop = asyncio.get_running_loop()
    times: list[float] = []

    def respond(_: Seen) -> Answer:
        times.append(loop.time())
        return refusal(500, 5000)

    async with serve(respond) as stub:
        began = loop.time()
        with pytest.raises(ServerError):
            await make_client(base_url=stub.base_url, retry=Retry(budget=budget)).get_task("image2video:1")
    assert times[-1] - began == pytest.approx(budget, abs=0.1)
    assert len(times) == len(set(times))


async def test_the_date_header_is_read(make_client: ClientMaker) -> None:
    """The service's clock is read from its Date header."""
    date = email.utils.formatdate(EPOCH + 7200, usegmt=True)
    async with serve(
        lambda _: answer(200, {"code": 0, "data": {"task_id": "1", "task_status": "failed"}}, Date=date)
    ) as stub:
        client = make_client(base_url=stub.base_url)
        await client.get_task("image2video:1")
    assert 7190 < client._api._tokens.clock_offset.seen < 7201


async def test_a_timeout_keeps_the_services_words(make_client: ClientMaker, image: Path) -> None:
    """TaskTimeout and CreateInDoubt have the code, request id and message of the service's last response."""
    down = refusal(500, 5000, "Internal database down")
    async with serve(Service([task_answer()], [down])) as stub:
        handle = await make_client(base_url=stub.base_url, polling=Polling(deadline=60)).image_to_video(image)
        with pytest.raises(TaskTimeout, match="Internal database down") as late:
            await handle
        assert (late.value.code, late.value.request_id) == (5000, "r-1")
    async with serve(Service([down], [down])) as stub:
        client = make_client(base_url=stub.base_url, retry=Retry(budget=30))
        with pytest.raises(CreateInDoubt, match="Internal database down") as doubtful:
            await client.image_to_video(image)
        assert (doubtful.value.code, doubtful.value.request_id) == (5000, "r-1")


async def test_a_response_about_another_task_is_ignored(make_client: ClientMaker, image: Path) -> None:
    """A response about another task than the queried one is ignored."""
    queries: list[Answer] = [task_answer("succeed", task_id="777"), task_answer("succeed", task_id="1")]
    async with serve(Service([task_answer(task_id="1")], queries)) as stub:
        handle = await make_client(base_url=stub.base_url).image_to_video(image)
        assert (await handle).task_id == "1"


async def test_the_refused_keep_their_place_in_line(make_client: ClientMaker) -> None:
    """Creates that a full account refused are sent again in their original order."""
    async with Emulator(render=False, speed=1.0, concurrency=1, clock=wall()) as small:
        client = make_client(base_url=small.base_url, concurrency=8)
        names = [f"job-{number}" for number in range(5)]
        url = "https://example.com/cat.png"
        creating = [asyncio.ensure_future(client.image_to_video(url, external_task_id=name)) for name in names]
        await asyncio.gather(*[await one for one in creating])
        assert [entry.external_task_id for entry in small.ledger.entries] == names
