"""Warns of paid work whose rows were removed from the jobs, as no run would save it."""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Final

from kling_async.journal.client_journal import ClientJournal
from kling_async.journal.entry import Entry, EntryState
from kling_async.journal.journal import Journal
from kling_async.protocol.catalog import endpoint_named

logger = logging.getLogger("kling_async")

_OPEN: Final = (EntryState.INTENT, EntryState.ACCEPTED, EntryState.ENDED)
_SHOWN: Final = 5


async def warn_of_forgotten(journal: ClientJournal, ids: Collection[str], out: Path) -> None:
    """Logs a warning about unsaved work for this directory that does not belong to any row.

    Args:
        journal: the client's journal.
        ids: ids of all rows.
        out: the directory of the batch.

    Raises:
        JournalError: the journal cannot be read.
    """
    own = isinstance(journal.journal, Journal) and journal.journal.path.parent == out
    found = [
        entry
        for state in _OPEN
        async for entry in journal.journal.entries(state=state)
        if (own or entry.save_to == str(out)) and _is_forgotten(entry, ids)
    ]
    found = [entry for entry in found if not await journal.is_anothers(entry.key or "")]
    if not found:
        return
    shown = [f"{entry.key} ({entry.reference})" if entry.reference else f"{entry.key}" for entry in found[:_SHOWN]]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    logger.warning(
        "paid for, or in doubt, not saved, and no longer among the rows: %s%s; put the rows back, or save each with "
        "kling-async save",
        ", ".join(shown),
        more,
        extra={"kling_event": "rows_forgotten"},
    )


def _is_forgotten(entry: Entry, ids: Collection[str]) -> bool:
    endpoint = endpoint_named(entry.endpoint)
    is_file = endpoint is None or endpoint.result.is_file
    return entry.key is not None and entry.key not in ids and not entry.failed and is_file
