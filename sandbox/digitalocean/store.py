"""The sandbox's state on disk: one SQLite database, one connection, one lock.

WAL with synchronous=NORMAL loses nothing when the process is killed: a commit has reached the
operating system before the answer goes out.
"""

import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# First ids look like the real ones and fit into 32 bits. AUTOINCREMENT never uses an id again.
FIRST_DROPLET_ID = 412_000_000
FIRST_ACTION_ID = 1_845_000_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS droplet (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    region TEXT NOT NULL,
    size TEXT NOT NULL,
    image INTEGER NOT NULL,
    price_hourly TEXT NOT NULL,
    vpc_uuid TEXT NOT NULL,
    features TEXT NOT NULL,
    user_data TEXT,
    status TEXT NOT NULL DEFAULT 'new',
    created_at REAL NOT NULL,
    boot_due_at REAL,
    active_at REAL,
    agent_due_at REAL,
    agent_started_at REAL,
    agent_exit_code INTEGER,
    no_agent INTEGER NOT NULL DEFAULT 0,
    kill_after REAL,
    kill_due_at REAL,
    ignores_shutdown INTEGER NOT NULL DEFAULT 0,
    off_due_at REAL,
    halt_pending INTEGER NOT NULL DEFAULT 0,
    destroyed_at REAL,
    cleaned_at REAL
);
CREATE INDEX IF NOT EXISTS droplet_live ON droplet (id) WHERE destroyed_at IS NULL;
CREATE INDEX IF NOT EXISTS droplet_unclean ON droplet (id)
    WHERE destroyed_at IS NOT NULL AND cleaned_at IS NULL;

CREATE TABLE IF NOT EXISTS tag (name TEXT PRIMARY KEY COLLATE NOCASE);
CREATE TABLE IF NOT EXISTS droplet_tag (
    droplet_id INTEGER NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (droplet_id, tag)
);

CREATE TABLE IF NOT EXISTS action (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    droplet_id INTEGER NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'in-progress',
    region TEXT NOT NULL,
    started_at REAL NOT NULL,
    due_at REAL,
    completed_at REAL,
    new_name TEXT
);
CREATE INDEX IF NOT EXISTS action_droplet ON action (droplet_id);
CREATE INDEX IF NOT EXISTS action_open ON action (due_at) WHERE status = 'in-progress';

CREATE TABLE IF NOT EXISTS request (token TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS request_token_at ON request (token, at);

CREATE TABLE IF NOT EXISTS call (
    method TEXT NOT NULL,
    template TEXT NOT NULL,
    outcome TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (method, template, outcome)
);

CREATE TABLE IF NOT EXISTS fault (
    position INTEGER PRIMARY KEY,
    rule TEXT NOT NULL,
    seen INTEGER NOT NULL DEFAULT 0,
    fired INTEGER NOT NULL DEFAULT 0
);
"""


class Store:
    """All access goes through `read` or a `transaction`; both hold the lock."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self._depth = 0
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        self._seed()
        self.id = self.meta("id") or ""

    def _seed(self) -> None:
        with self.transaction():
            if self.meta("id"):
                return
            self.set_meta("id", uuid.uuid4().hex)
            for table, first in (("droplet", FIRST_DROPLET_ID), ("action", FIRST_ACTION_ID)):
                self.run("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", table, first)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit on leaving the outermost block, roll back on any exception."""
        with self.lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("COMMIT")

    def run(self, sql: str, *values: Any) -> int:
        """Execute one writing statement; the id of an inserted row, else what SQLite says."""
        with self.lock:
            return int(self._db.execute(sql, values).lastrowid or 0)

    def read(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self.lock:
            return self._db.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        rows = self.read(sql, *values)
        return rows[0] if rows else None

    def meta(self, key: str) -> str | None:
        row = self.one("SELECT value FROM meta WHERE key = ?", key)
        return str(row["value"]) if row else None

    def set_meta(self, key: str, value: str) -> None:
        self.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", key, value)

    def close(self) -> None:
        with self.lock:
            self._db.close()
