"""Lost answers on paths of the current generation, on a server that is not the emulator and refuses no duplicates."""

import asyncio
from pathlib import Path
from typing import Final

import attrs

from kling_async import CreateInDoubt, KlingClient, TaskHandle
from tests.faults.answers import ANSWERS
from tests.faults.current_service import CurrentService
from tests.faults.ends import End, Play, other
from tests.faults.other_service import enveloped, page
from tests.shell.stub import Answer, answer, refusal

LOST: Final[dict[str, Answer]] = {
    "reset": None,
    "500 and code 5000": refusal(500, 5000),
    "page 502": page(502),
    "page 504": page(504),
    "page 404": page(404),
    "page 200": page(200),
}
"""Responses in place of the answer to a create that took effect."""

SENT_AGAIN: Final = ("reset", "500 and code 5000", "page 502", "page 504")
"""Responses after which the same create may be sent again."""

GAPS: Final[dict[str, dict[str, float]]] = {
    "60 s by its id, and in the list": {"visible_after": 60, "listed_after": 60},
    "for ever by its id": {"visible_after": 1e9},
    "for ever by its id, and for 60 s in the list": {"visible_after": 1e9, "listed_after": 60},
    "for ever in the list, and for 60 s by its id": {"visible_after": 60, "listed_after": 1e9},
}
"""Seconds until a task is shown."""

_SOME: Final = ("page 200", "page 404", "page 502", "redirect", "nothing, 204", "unknown code", "no data", "a list")
_TASK: Final = {"id": "7", "status": "processing", "external_id": "theirs"}
NO_LISTS: Final[dict[str, Answer]] = {
    **{name: ANSWERS[name] for name in _SOME},
    "refused": refusal(403, 1103, "no right"),
    "empty, but there is more": enveloped({"result": [], "count": 0, "has_more": True}),
    "tasks that are left out": enveloped({"count": 3, "has_more": False}),
    "result null": enveloped({"result": None, "count": 1, "has_more": False}),
    "nothing at all": enveloped({}),
    "another path's form": enveloped([]),
    "a task that cannot be read": enveloped({"result": [_TASK, {"id": 5.5}], "count": 2, "has_more": False}),
    "a status that is not known": enveloped({"result": [{**_TASK, "status": "queued"}], "has_more": False}),
    "pages without end": enveloped({"result": [_TASK], "has_more": True, "next_cursor": "again"}),
    "cut off": answer(200, b'{"code": 0, "data": {"result": ['),
}
"""Lists that do not prove that a task does not exist."""


async def task_hides(directory: Path, gap: dict[str, float]) -> End:
    """The answer to a create is lost, and its task is not shown for a while."""
    async with other(directory, kind=CurrentService, creates=[None]) as play:
        for name, seconds in gap.items():
            setattr(play.service, name, seconds)
        return counted(await play.one(), play)


async def id_dropped(directory: Path, raw: Answer, *, known: bool) -> End:
    """Loses the answer to a create on a path that drops the external id, which an earlier answer has shown or not."""
    async with other(directory, kind=CurrentService, drops_ids=True, listed_after=60) as play:
        client = play.client()
        if known:
            await client.submit(play.request())
        play.service.creates.append(raw)
        return counted(await play.one(client), play)


async def no_list(directory: Path, raw: Answer) -> End:
    """An answer is lost, its task is shown after the last look-up, and the list has no useful answer."""
    lists = [raw] * 10_000
    async with other(directory, kind=CurrentService, creates=[None], visible_after=500, lists=lists) as play:
        return counted(await play.one(), play)


async def nothing_arrives(directory: Path, raw: Answer) -> End:
    """No create takes effect, each gets a foreign answer, and the service reports no such task."""
    async with other(directory, kind=CurrentService, creates=[raw] * 100, effect=False) as play:
        error = await doubt_of(play, play.client())
        return counted(play.ending(f"`CreateInDoubt` with {error.reference and 'its reference'}", str(error)), play)


async def arrives_at_last(directory: Path) -> End:
    """The first create does not take effect, and its answer is lost."""
    async with other(directory, kind=CurrentService) as play:
        play.service.creates.append(None)
        play.service.effect = False
        client = play.client()

        async def submitted() -> TaskHandle:
            return await client.submit(play.request())

        return counted(await play.end(client, submitted()), play)


async def strangers_task(directory: Path) -> End:
    """The first create does not take effect, and another client creates an indistinguishable task without an id."""
    async with other(directory, kind=CurrentService, creates=[None], effect=False) as play:
        client = play.client()
        doubt = asyncio.ensure_future(doubt_of(play, client))
        await asyncio.sleep(5)
        play.service.tasks.append((play.service.now(), ""))
        error = await doubt
        return counted(play.ending(f"`CreateInDoubt` that names {len(error.candidates)}", str(error)), play)


async def doubt_of(play: Play, client: KlingClient) -> CreateInDoubt:
    """The end of a create."""
    try:
        await client.submit(play.request())
    except CreateInDoubt as error:
        return error
    raise AssertionError("it came")


def counted(end: End, play: Play) -> End:
    """The end, with the number of creates sent."""
    return attrs.evolve(end, came=f"{end.came}; {play.service.posts} sent")
