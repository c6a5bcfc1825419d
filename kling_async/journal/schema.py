"""The tables of a journal in SQLite, and the way from one version to the next."""

from typing import Final

APPLICATION: Final = 0x6B6C6A31
"""`application_id` of the file, so that a database of something else is not taken for a journal."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT NOT NULL, machine TEXT NOT NULL, boot TEXT NOT NULL)",
        # The members that a version of this package knew: few rows, which thousands of entries share.
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
        # One row for each window of a budget: what it has given out is never added up from entries.
        """CREATE TABLE spending (
            id INTEGER PRIMARY KEY, budget TEXT NOT NULL, per INTEGER NOT NULL, number INTEGER NOT NULL,
            reserved TEXT NOT NULL, settled TEXT NOT NULL, UNIQUE (budget, per, number))""",
        "ALTER TABLE entries ADD COLUMN spending INTEGER",
        "ALTER TABLE entries ADD COLUMN reservation TEXT",
    ),
    (
        # What callbacks told one process of the work of another, until that has read it.
        """CREATE TABLE news (
            id INTEGER PRIMARY KEY, entry INTEGER NOT NULL, signed INTEGER NOT NULL, body BLOB NOT NULL)""",
    ),
    ("ALTER TABLE entries ADD COLUMN currency TEXT",),
    # Where the tracing of the client that made it has it, for who goes on with it.
    ("ALTER TABLE entries ADD COLUMN trace TEXT",),
)
"""What leads from each version to the next; `user_version` counts them."""
