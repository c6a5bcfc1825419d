"""Rules 1 to 7: which responses are answers, on a server that is not the emulator and refuses no duplicates."""

import asyncio
import email.utils
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import attrs
import jwt
import trustme

from kling_async import CreateInDoubt, KlingError, RequestRefused
from kling_async.emulator import Fault
from tests.faults.current_service import CurrentService
from tests.faults.ends import End, Play, other
from tests.faults.other_service import FOREIGN, GATEWAY_MISSING, GATEWAY_TASK, OtherService, page
from tests.faults.stage import IMAGE, stage
from tests.shell.conftest import wall
from tests.shell.stub import Answer, Seen, answer, refusal, serve, task_answer

# -------------------------------------------------------------------------------------------------- evidence

ANSWERS: Final[dict[str, Answer]] = {
    **FOREIGN,
    "page 200": page(200),
    "page 307": page(307),
    "page 451": page(451),
    "page 520": page(520),
    "nothing, 200": answer(200),
    "nothing, 204": answer(204),
    "half of a JSON text": answer(200, b'{"code": 0, "data": {"task_'),
    "a list": answer(200, []),
    "a number": answer(200, b"0"),
    "code null": answer(400, {"code": None, "message": "no"}),
    "code false": answer(200, {"code": False, "data": {"task_id": "7", "task_status": "failed"}}),
    "code 404": answer(404, {"code": 404, "message": "no route"}),
    "code 1400": answer(400, {"code": 1400, "message": "beyond the families"}),
    "no data": answer(200, {"code": 0}),
    "problem": answer(404, {"type": "about:blank", "title": "Not Found", "status": 404}),
}
"""Responses that are not the service's answer about our task."""

Kind = type[OtherService]


async def create_answered(directory: Path, raw: Answer, kind: Kind = OtherService) -> End:
    """A create takes effect, and gets a foreign answer."""
    async with other(directory, kind=kind, creates=[raw]) as play:
        return await play.one()


async def look_ups_answered(directory: Path, raw: Answer, kind: Kind = OtherService) -> End:
    """The answer to a create is lost, and look-ups get foreign answers for 40 seconds."""
    async with other(directory, kind=kind, creates=[None], looks=[refusal(500, 5000), *[raw] * 5]) as play:
        return await play.one()


async def all_answered(directory: Path, raw: Answer, kind: Kind = OtherService) -> End:
    """The create and every look-up get foreign answers, until the caller has its error."""
    async with other(directory, kind=kind, creates=[raw] * 10, looks=[raw] * 10_000) as play:
        if isinstance(play.service, CurrentService):
            play.service.lists.extend([raw] * 10_000)
        return await play.one()


async def polls_answered(directory: Path, raw: Answer, kind: Kind = OtherService, takes: float = 400) -> End:
    """Foreign answers to four polls, 48 seconds after the create."""
    async with other(directory, kind=kind, takes=takes) as play:

        async def later() -> None:
            await asyncio.sleep(48)
            play.service.looks.extend([raw] * 4)

        return await play.one(then=later)


async def reads_answered(directory: Path, raw: Answer) -> End:
    """`attach`, `get_task` and `tasks` get three foreign answers each; the task was paid for before."""
    async with other(directory, takes=0) as play:
        play.service.tasks.append((0, "job-1"))
        client = play.client()
        known = [task.reference async for task in client.tasks("image2video")]
        for _ in range(2):
            play.service.looks.extend([raw] * 3)
            await client.get_task("image2video:job-1")
            play.service.looks.extend([raw] * 3)
            assert [task.reference async for task in client.tasks("image2video")] == known
        play.service.looks.extend([raw] * 3)

        async def attached() -> Any:
            return client.attach("image2video:job-1")

        return await play.end(client, attached())


async def never_again(directory: Path) -> End:
    """After one answer of the service there are only foreign answers, until the budget is exhausted."""
    async with other(directory) as play:
        client = play.client()
        assert [task async for task in client.tasks("image2video")] == []
        play.service.looks.extend([answer(418, {"code": 777, "message": "teapot"})] * 10_000)
        return await _error_of(play, client.get_task("image2video:job-1"))


# --------------------------------------------------------------------------------------------- sends, refusals


async def gateways_own_task(directory: Path) -> End:
    """A create and its look-ups are answered in another gateway's shape."""
    async with other(directory, creates=[GATEWAY_TASK] * 100, looks=[GATEWAY_MISSING] * 1000) as play:
        return _counted(await play.one(), play)


async def nothing_arrives(directory: Path) -> End:
    """No create takes effect, each answer is lost, and each look-up finds nothing."""
    async with other(directory, creates=[None] * 100, effect=False) as play:
        return _counted(await _error_of(play, play.client().image_to_video(IMAGE)), play)


async def shows_after_settle(directory: Path, raw: Answer, on_doubt: Literal["settle", "raise"]) -> End:
    """An answer is lost, and no look-up finds the task for 40 seconds; `Retry.settle` is 15, or 60 after a timeout."""
    async with other(directory, creates=[raw], visible_after=40) as play:
        return _counted(await play.one(submit={"on_doubt": on_doubt}), play)


WORDS: Final = (
    "External_task_id x already exists",
    "is duplicated",
    "must be unique",
    "has been used",
    "外部任务ID已存在",
    "ya existe",
    "",
    "conflict",
)
REFUSALS: Final[dict[str, Answer]] = {
    **{f"1201 {words!r}": refusal(400, 1201, words) for words in WORDS},
    "1202": refusal(400, 1202, "method is invalid"),
    "409 and 1201": refusal(409, 1201, "no"),
    "409, a page": page(409),
    "409, JSON": answer(409, {"error": "Conflict"}),
}


async def repetition_refused(directory: Path, raw: Answer) -> End:
    """A proxy repeats a create, and passes on only the refusal of the repetition."""
    async with other(directory, creates=[raw]) as play:
        return await play.one(external_task_id="job-1")


async def true_refusal(directory: Path, code: int) -> End:
    """A create is refused, and nothing is found under its id."""
    async with other(directory, creates=[refusal(400, code, "mode is not supported")], effect=False) as play:
        return await _error_of(play, play.client().image_to_video(IMAGE, external_task_id="job-1"))


# -------------------------------------------------------------------------------------------- strangers' tasks

THEIRS: Final = task_answer(task_id="7", task_info={"external_task_id": "theirs"})


async def answer_about_another_task(directory: Path, at: str) -> End:
    """A create, or a look-up after a lost answer, gets an answer about another client's task."""
    how: dict[str, Any] = {"creates": [THEIRS]} if at == "create" else {"creates": [None], "looks": [THEIRS] * 2}
    async with other(directory, **how) as play:
        return await play.one()


async def surplus(directory: Path) -> End:
    """A create's answer is sent twice on a connection that stays open; the next create uses it."""
    async with stage(directory) as play:
        play.emulator.faults.add(Fault.surplus(), on="create", at=1)
        client, names = play.client(), ["job-1", "job-2"]
        for name in names:
            await play.one(client, external_task_id=name)
        outcome = await play.outcome()
        ends = {name: count for name, count in sorted(outcome.endings.items()) if name != "save failed"}
        came = f"each its own: {', '.join(f'{count} {name}' for name, count in ends.items())}"
        own = [entry.external_task_id for entry in play.emulator.ledger.entries] == names and not outcome.errors
        return End(outcome.paid, outcome.whole, outcome.seconds, came, holds=own)


# -------------------------------------------------------------------------------------------- members of a task

Strange = Callable[[str], dict[str, Any]]


def _videos(*changed: dict[str, Any], **members: Any) -> Strange:
    """A result whose videos have these members in addition to a URL."""
    return lambda url: {
        "task_status": "succeed",
        "task_result": {"videos": [{"url": f"{url}/files/1.mp4", **members} | each for each in changed or [{}]]},
    }


STRANGE: Final[dict[str, Strange]] = {
    "status in capitals": lambda _: {"task_status": "SUCCEED"},
    "another generation's word": lambda _: {"task_status": "succeeded"},
    "task_info {}": lambda _: {"task_info": {}},
    "task_info null, times in seconds or none": lambda _: {
        "task_info": None,
        "created_at": 1774805076,
        "updated_at": "never",
    },
    "videos without id": _videos(),
    "id null": _videos(id=None),
    "id a number": _videos(id=5),
    "duration nonsense": _videos(id="v", duration={"s": 5}),
    "one item that is none": lambda url: {"task_result": {"videos": [{"id": "v", "url": f"{url}/files/1.mp4"}, None]}},
    "unknown members": lambda _: {"final_unit_deduction": [1], "x": {"y": None}, "task_status_msg": 7},
}
FAILED: Final[dict[str, dict[str, Any]]] = {
    "videos null": {"task_status": "failed", "task_result": {"videos": None}},
    "a result that is a list, a message that is an object": {
        "task_status": "Failed",
        "task_result": [],
        "task_status_msg": {"a": 1},
    },
    "result null": {"task_status": "FAILED", "task_result": None, "task_info": None},
}


async def strange_members(directory: Path, strange: Strange) -> End:
    """A finished task has members that differ from the documentation."""
    async with other(directory, takes=0) as play:
        play.service.strange.update(strange(play.service.base_url))
        return await play.one()


async def strange_failure(directory: Path, strange: dict[str, Any]) -> End:
    """A failed task has members that differ from the documentation."""
    async with other(directory, strange=strange) as play:
        return await play.one()


async def only_watermarked(directory: Path) -> End:
    """A result has the URL of the watermarked variant only."""
    async with other(directory) as play:
        video = {"id": "v", "watermark_url": f"{play.service.base_url}/files/1.mp4"}
        play.service.strange.update(task_status="succeed", task_result={"videos": [video]})
        return await play.one(save={"watermark": True}, watermark_info={"enabled": True})


async def odd_status(directory: Path, status: object) -> End:
    """Four polls return an empty status, or one that is not a string."""
    async with other(directory, takes=300) as play:

        async def later() -> None:
            poll = answer(200, {"code": 0, "data": {"task_id": "1000", "task_status": status}})
            play.service.looks.extend([poll] * 4)

        return await play.one(then=later)


async def codes_as_digits(directory: Path) -> End:
    """Each answer's code is a string of digits."""

    def through(service: OtherService) -> Callable[[Seen], Answer]:
        return lambda seen: (service(seen) or b"").replace(b'{"code": 0, ', b'{"code":"0",')

    async with other(directory, through=through) as play:
        return await play.one()


# ------------------------------------------------------------------------------------------------------ clocks


@attrs.define
class Dated:
    """Wraps the service: refuses tokens that are not valid at its time, and dates its answers.

    Attributes:
        service: The wrapped service.
        now: The true time of day.
        wrong: Seconds by which the `Date` of the next refusals is wrong.
        dated: Whether answers have a `Date` at all.
        refused: How many tokens were refused.
    """

    service: OtherService
    now: Callable[[], float]
    wrong: list[float] = attrs.field(factory=list)
    dated: bool = True
    spurious: int = 0
    refused: int = 0

    def __call__(self, seen: Seen) -> Answer:
        """Answers one request."""
        if not seen.path.startswith("/v1/"):
            return self.service(seen)
        token = seen.headers["authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, options={"verify_signature": False})
        code = 1003 if claims["nbf"] > self.now() else 1004 if claims["exp"] < self.now() else 0
        if self.spurious:
            self.spurious, code = self.spurious - 1, 1003
        if not code:
            return self._dated(self.service(seen), 0.0)
        self.refused += 1
        return self._dated(refusal(401, code, "token"), self.wrong.pop(0) if self.wrong else 0.0)

    def _dated(self, raw: Answer, by: float) -> Answer:
        if raw is None or not self.dated:
            return raw
        date = email.utils.formatdate(self.now() + by, usegmt=True).encode()
        return raw.replace(b"\r\n", b"\r\nDate: " + date + b"\r\n", 1)


CLOCKS: Final[dict[str, tuple[Callable[[float], float], dict[str, Any]]]] = {
    "two hours behind": (lambda _: -7200.0, {}),
    "two hours ahead": (lambda _: 7200.0, {}),
    "an hour behind, set right after 30 s": (lambda passed: -3600.0 if passed < 30 else 0.0, {}),
    "right, set an hour back after 30 s": (lambda passed: 0.0 if passed < 30 else -3600.0, {}),
    "right; one refusal with a Date two hours wrong": (lambda _: 0.0, {"spurious": 1, "wrong": [7200.0]}),
    "right; one refusal with a Date a month wrong": (lambda _: 0.0, {"spurious": 1, "wrong": [2592000.0]}),
    "right, no Date at all": (lambda _: 0.0, {"dated": False}),
}
"""The error of the machine's clock, by elapsed seconds; and the behaviour of the service."""


async def wrong_clock(directory: Path, wrong: Callable[[float], float], how: dict[str, Any]) -> End:
    """The machine's clock, or the `Date` of an answer, is wrong while a task is made, 100 seconds long."""
    gates: list[Dated] = []
    true, loop = wall(), asyncio.get_running_loop()

    def through(service: OtherService) -> Dated:
        gates.append(Dated(service, true, **{**how, "wrong": list(how.get("wrong", []))}))
        return gates[0]

    async with other(directory, through=through, takes=100) as play:
        began = loop.time()
        keys = {"api_key": None, "access_key": "a" * 32, "secret_key": "s" * 32}
        client = play.client(**keys, clock=lambda: true() + wrong(loop.time() - began))
        end = await play.one(client)
        return attrs.evolve(end, came=f"{end.came}, at most {max(3, gates[0].refused)} tokens refused")


# ---------------------------------------------------------------------------------------------- wrong addresses

WRONG: Final[dict[str, Answer]] = {
    name: ANSWERS[name] for name in ("page 404", "page 401", "page 200", "redirect", "code 200", "page 502")
}


async def read_elsewhere(directory: Path, raw: Answer) -> End:
    """Reads go to an address at which the service has never answered."""
    async with other(directory, through=lambda _: lambda _: raw) as play:
        return await _error_of(play, play.client().get_task("image2video:1"))


async def redirected_to_itself(directory: Path) -> End:
    """An address redirects each request to itself."""
    async with other(directory, through=lambda _: lambda seen: page(302, Location=seen.path)) as play:
        return await _error_of(play, play.client().get_task("image2video:1"))


async def create_elsewhere(directory: Path, raw: Answer) -> End:
    """A create goes to an address at which the service has never answered."""
    async with other(directory, through=lambda _: lambda _: raw) as play:
        return await _error_of(play, play.client().image_to_video(IMAGE))


async def closed_port(directory: Path) -> End:
    """A create goes to a port at which nothing listens."""
    async with serve(lambda _: None) as gone:
        pass
    async with other(directory) as play:
        return await _error_of(play, play.client(base_url=gone.base_url).image_to_video(IMAGE))


async def untrusted(directory: Path) -> End:
    """A create goes to a server with an untrusted certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server, other(directory) as play:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return await _error_of(play, play.client(base_url=url).image_to_video(IMAGE))


# -------------------------------------------------------------------------------------------------------------


async def _error_of(play: Play, call: Any) -> End:
    """The end of a call that must fail; the reference of a create's error is part of its text."""
    try:
        await call
    except KlingError as error:
        named = isinstance(error, CreateInDoubt | RequestRefused) and error.reference
        return play.ending(f"`{type(error).__name__}`{' with its reference' if named else ''}", str(error))
    return play.ending("no error")


def _counted(end: End, play: Play) -> End:
    return attrs.evolve(end, came=f"{end.came}; {play.service.posts} sent")
