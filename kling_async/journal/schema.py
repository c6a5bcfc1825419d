"""The tables of a journal in SQLite, as migrations from each version to the next."""

from typing import Final

APPLICATION: Final = 0x6B6C6A31
"""The `application_id` of the file, so that another application's database is not taken for a journal."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT NOT NULL, machine TEXT NOT NULL, boot TEXT NOT NULL)",
        # The members known to a version of this package: few rows, shared by thousands of entries.
        "CREATE TABLE knowledge (id INTEGER PRIMARY KEY, members TEXT NOT NULL UNIQUE)",
        """CREATE TABLE entries (
            id INTEGER PRIMARY KEY, key TEXT, attempt INTEGER NOT NULL, endpoint TEXT NOT NULL, external_task_id TEXT,
            request TEXT NOT NULL, knowledge INTEGER, line TEXT NOT NULL, slots INTEGER NOT NULL, save_to TEXT,
            state TEXT NOT NULL, owner INTEGER, unfinished INTEGER NOT NULL,
            intended_at REAL NOT NULL, accepted_at REAL, ended_at REAL, saved_at REAL,
            task_id TEXT, estimate_units TEXT, estimate_usd TEXT,
            status TEXT, units TEXT, quota TEXT, list_price TEXT, error TEXT, saving_to TEXT, files TEXT)""",
        "CREATE UNIQUE INDEX keys ON entries (key, attempt) WHERE key IS NOT NULL",
        "CREATE INDEX unfinished ON entries (owner) WHERE unfinished",
    ),
    (
        """CREATE TABLE budgets (
            name TEXT PRIMARY KEY, unit TEXT NOT NULL, allowed TEXT NOT NULL, per INTEGER,
            failed_is_free INTEGER NOT NULL) WITHOUT ROWID""",
        # One row for each window of a budget: its totals are never computed from entries.
        """CREATE TABLE spending (
            id INTEGER PRIMARY KEY, budget TEXT NOT NULL, per INTEGER NOT NULL, number INTEGER NOT NULL,
            reserved TEXT NOT NULL, settled TEXT NOT NULL, UNIQUE (budget, per, number))""",
        "ALTER TABLE entries ADD COLUMN spending INTEGER",
        "ALTER TABLE entries ADD COLUMN reservation TEXT",
    ),
    (
        # Callbacks that one process received about another's entries, until the other has read them.
        """CREATE TABLE news (
            id INTEGER PRIMARY KEY, entry INTEGER NOT NULL, signed INTEGER NOT NULL, body BLOB NOT NULL)""",
    ),
    ("ALTER TABLE entries ADD COLUMN currency TEXT",),
    # The trace context of the client that created the entry, for the client that continues it.
    ("ALTER TABLE entries ADD COLUMN trace TEXT",),
)
"""The statements from each version to the next; `user_version` counts them."""
