"""The emulator's own links in requests, resolved to their files without fetching them."""

import asyncio
import base64
from concurrent.futures import Executor
from typing import Any, Final

import attrs

from kling_async.emulator.account.account_model import AccountModel
from kling_async.emulator.account.task import EmulatedTask, LinkMaker, items_by_id
from kling_async.emulator.results.links import Links
from kling_async.emulator.results.result_store import ResultFile, ResultStore

from .checks import members
from .endpoint import Body, EarlierResult, Origin

# Members that accept base64: for sounds only `sound_file`, for pictures all whose names contain one of these words; in
# the current generation every material has the member `url`.
_SOUND: Final = "sound_file"
_MATERIAL: Final = "url"
_PICTURE_WORDS: Final = ("image", "mask")
_SOUNDS: Final = (".mp3", ".wav")
_PICTURES: Final = (".png",)


@attrs.frozen
class OwnFiles:
    """Finds results of the account by their links, while these are valid.

    Attributes:
        account: The account.
        links: Checks the links.
        results: Makes the files.
        worker: Reads the files.
    """

    account: AccountModel
    links: Links
    results: ResultStore
    worker: Executor

    async def submitted(self, body: Body, origin: Origin, now: float, address: str) -> Body:
        """Returns a request with base64 in place of the emulator's own links to pictures and sounds.

        Args:
            body: Its documented members, unchecked.
            origin: Its endpoint.
            now: Seconds since the epoch.
            address: Scheme, host and port by which it came, "" if it is not known.
        """
        loop = asyncio.get_running_loop()
        contents: dict[tuple[str, str], str] = {}
        for name, text in members.texts(body, origin.members):
            found = self._found(text, now, address) if (name, text) not in contents else None
            if found is not None and _takes(name, found[0].request.result.files[found[1]]):
                made = await self.results.file(*found)
                contents[name, text] = await loop.run_in_executor(self.worker, _base64, made)
        if not contents:
            return body
        given: Body = members.changed(body, origin.members, lambda name, text: contents.get((name, text), text))
        return given

    def earlier(self, kind: str, key: str, *, now: float, address: str, link: LinkMaker) -> EarlierResult | None:
        """Returns an earlier result or a preset, like `AccountModel.earlier`, by its id or a link to its file."""
        found = self._found(key, now, address)
        if found is not None:
            key = _id_of(kind, *found)
        return self.account.earlier(kind, key, now=now, link=link)

    def _found(self, url: str, now: float, address: str) -> tuple[EmulatedTask, str] | None:
        """Returns the task and the file name of a link, None if it is not a valid link of this emulator."""
        found = self.links.file(url, now, address)
        try:
            return None if found is None else (self.account.task(found[0]), found[1])
        except KeyError:  # created before the emulator was restarted
            return None


def _takes(member: str, suffix: str) -> bool:
    """Whether a member may hold the content of a file with a suffix."""
    if suffix in _SOUNDS:
        return member == _SOUND
    return suffix in _PICTURES and (member == _MATERIAL or any(word in member for word in _PICTURE_WORDS))


def _id_of(kind: str, task: EmulatedTask, name: str) -> str:
    """Returns the id of the result of a task to which a file belongs, "" if that is of another kind."""
    made: dict[tuple[str, str], Any] = items_by_id(task, lambda each: each)
    return next((key for (each, key), facts in made.items() if each == kind and name in facts.values()), "")


def _base64(made: ResultFile) -> str:
    with made.open() as file:
        return base64.b64encode(file.read()).decode()
