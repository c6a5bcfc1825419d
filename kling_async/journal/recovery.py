"""Recovery of the work that clients left unfinished when they died or were closed."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator

from kling_async.io.turns import Turns
from kling_async.journal import refusals
from kling_async.journal.decisions import Left, for_left
from kling_async.journal.entry import Entry
from kling_async.journal.settling import Settling, Submitted
from kling_async.protocol.catalog import endpoint_named
from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.errors import ConfigurationError, KlingError

logger = logging.getLogger("kling_async")


class Recovery:
    """The recovery of one client.

    Args:
        settling: continues existing entries.
        turns: the turns of keys, shared with `submit`.
    """

    def __init__(self, settling: Settling, turns: Turns) -> None:
        self._settling = settling
        self._turns = turns

    async def recover(self) -> AsyncGenerator[Submitted, None]:
        """Takes over all unfinished work of clients that no longer live; entries in doubt come last.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        await self._settling.journal.open()
        left = {entry.id: entry for entry in await self._settling.journal.take_left()}
        try:
            async with contextlib.aclosing(self._all_of(left)) as recovered:
                async for submitted in recovered:
                    yield submitted
        finally:
            self._settling.let_go([entry for entry in left.values() if entry.key not in self._turns])

    async def _all_of(self, left: dict[int, Entry]) -> AsyncGenerator[Submitted, None]:
        """Continues each entry in `left`, and removes from it those that have been dealt with."""
        in_doubt: list[tuple[Endpoint, Entry]] = []
        for entry in list(left.values()):
            endpoint = endpoint_named(entry.endpoint)
            if endpoint is None:
                logger.warning(
                    "not recovered: this version knows no endpoint %s",
                    entry.endpoint,
                    extra={"kling_event": "not_recovered", "kling_reference": entry.reference},
                )
                continue
            match for_left(entry, self._settling.journal.now()):
                case Left.EXPIRED:
                    await self._settling.lost(entry, refusals.expired(endpoint, entry).message)
                case Left.UNKNOWABLE:
                    await self._settling.lost(entry, refusals.unknowable(endpoint, entry).message)
                case Left.FOLLOW:
                    try:
                        followed = self._settling.followed(endpoint, entry)
                    except ConfigurationError as error:  # a client with other settings can query it
                        logger.warning("not recovered: %s", error, extra={"kling_event": "not_recovered"})
                        continue
                    del left[entry.id]
                    yield followed
                case Left.SETTLE:
                    in_doubt.append((endpoint, entry))
        async with contextlib.aclosing(self._all_settled(in_doubt)) as settled:
            async for submitted in settled:
                if submitted.record.entry is not None:
                    left.pop(submitted.record.entry.id, None)
                yield submitted

    async def _all_settled(self, in_doubt: list[tuple[Endpoint, Entry]]) -> AsyncGenerator[Submitted, None]:
        """Settles the entries concurrently, and yields each that has a task as soon as that is known."""
        settling = [asyncio.ensure_future(self._settled_in_turn(endpoint, entry)) for endpoint, entry in in_doubt]
        try:
            for settled in asyncio.as_completed(settling):
                try:
                    if (found := await settled) is not None:
                        yield found
                except KlingError as error:
                    logger.warning("not recovered: %s", error, extra={"kling_event": "not_recovered"})
        finally:
            for each in settling:
                each.cancel()
            await asyncio.gather(*settling, return_exceptions=True)

    async def _settled_in_turn(self, endpoint: Endpoint, entry: Entry) -> Submitted | None:
        """As `Settling.settled`, but never at the same time as a `submit` with the same key."""
        async with self._turns.of(entry.key) if entry.key is not None else contextlib.nullcontext():
            return await self._settling.settled(endpoint, entry)
