"""Links of this emulator in requests: the files that they lead to are known, and need not be fetched."""

import asyncio
import base64
from concurrent.futures import Executor
from typing import Any, Final

import attrs

from kling_async.emulator.account.account_model import AccountModel
from kling_async.emulator.account.task import EmulatedTask, LinkMaker, things
from kling_async.emulator.results.links import Links
from kling_async.emulator.results.result_store import ResultFile, ResultStore

from .checks import members
from .endpoint import Body, EarlierResult, Origin

# Whether the documentation takes base64 shows in a member's name: of one for a sound only in this one, and of one for
# a picture in these words; in the current generation each material's is called alike.
_SOUND: Final = "sound_file"
_MATERIAL: Final = "url"
_PICTURE_WORDS: Final = ("image", "mask")
_SOUNDS: Final = (".mp3", ".wav")
_PICTURES: Final = (".png",)


@attrs.frozen
class OwnFiles:
    """Knows what the account has made by its links, while they are good.

    Attributes:
        account: The account.
        links: Checks the links.
        results: Makes the files.
        worker: Where files are read.
    """

    account: AccountModel
    links: Links
    results: ResultStore
    worker: Executor

    async def submitted(self, body: Body, origin: Origin, now: float, address: str) -> Body:
        """Give a request as if the pictures and sounds to which its links lead had been submitted in base64.

        Args:
            body: Its documented members, unchecked.
            origin: Where it came.
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
        """Give what there is, as the account does, by its id or by the link to its file."""
        found = self._found(key, now, address)
        if found is not None:
            key = _id_of(kind, *found)
        return self.account.earlier(kind, key, now=now, link=link)

    def _found(self, url: str, now: float, address: str) -> tuple[EmulatedTask, str] | None:
        """Give the task and the name of the file to which a link leads, None if it is no good link of the emulator."""
        found = self.links.file(url, now, address)
        try:
            return None if found is None else (self.account.task(found[0]), found[1])
        except KeyError:  # it was made before the emulator was started anew
            return None


def _takes(member: str, suffix: str) -> bool:
    """Tell whether a member may hold the content of a file."""
    if suffix in _SOUNDS:
        return member == _SOUND
    return suffix in _PICTURES and (member == _MATERIAL or any(word in member for word in _PICTURE_WORDS))


def _id_of(kind: str, task: EmulatedTask, name: str) -> str:
    """Give the id of that of a task's results to which a file belongs, "" if it is of another kind."""
    made: dict[tuple[str, str], Any] = things(task, lambda each: each)
    return next((key for (each, key), facts in made.items() if each == kind and name in facts.values()), "")


def _base64(made: ResultFile) -> str:
    with made.open() as file:
        return base64.b64encode(file.read()).decode()
