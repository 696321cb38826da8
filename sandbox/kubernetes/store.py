"""The objects, their versions and the history of their changes.

Everything is in memory, and every change is committed to SQLite before it is answered (WAL with
synchronous=NORMAL loses nothing when the process is killed). Versions are numbered over all
resources, as in etcd, and the numbers go on after a restart. The recent history is kept, so that a
watch may resume where it was; what came before `floor` has been compacted.
"""

import json
import sqlite3
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .resources import RESOURCES

Key = tuple[str, str]  # namespace ("" where there is none) and name
Object = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS version (
    rv INTEGER PRIMARY KEY,
    resource TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    superseded_by INTEGER,
    at REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS call (
    what TEXT NOT NULL,
    outcome TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (what, outcome)
);
"""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one object. `obj` must not be changed: take a `copy`. `body` is its JSON,
    without kind and apiVersion, as lists show it."""

    rv: int
    resource: str
    namespace: str
    name: str
    obj: Object
    body: bytes

    @classmethod
    def unstored(cls, resource: str, obj: Object) -> "Version":
        """What would have been stored, for a dry run."""
        meta, body = obj["metadata"], _json(obj)
        return cls(0, resource, meta.get("namespace", ""), meta["name"], obj, body)

    @property
    def key(self) -> Key:
        return (self.namespace, self.name)

    @property
    def meta(self) -> Object:
        meta: Object = self.obj["metadata"]
        return meta

    @property
    def uid(self) -> str:
        return str(self.obj["metadata"]["uid"])

    def copy(self) -> Object:
        copied: Object = json.loads(self.body)
        return copied


@dataclass(frozen=True, slots=True)
class Change:
    """`old` is None for a new object; for a deleted one `new` is its last state."""

    new: Version
    old: Version | None
    deleted: bool
    at: float

    @property
    def rv(self) -> int:
        return self.new.rv


@dataclass
class _Shelf:
    """All objects of one resource, and their recent changes in order."""

    objects: dict[Key, Version] = field(default_factory=dict)
    log: list[Change] = field(default_factory=list)
    forgotten: int = 0  # the newest change that was compacted


Listener = Callable[[Change], None]


class Store:
    """`now` dates the changes. All use is from one thread."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._now = now
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        self._shelves = {resource.plural: _Shelf() for resource in RESOURCES}
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)
        self.floor = int(self.meta("floor") or 0)
        self.revision = max(self.floor, 1)
        self._load()
        for shelf in self._shelves.values():
            shelf.forgotten = self.floor

    def _load(self) -> None:
        olds: dict[int, Version] = {}  # by the version that took their place
        query = (
            "SELECT rv, resource, namespace, name, deleted, superseded_by, at, body"
            " FROM version ORDER BY rv"
        )
        for rv, resource, namespace, name, deleted, superseded_by, at, body in self._db.execute(
            query
        ):
            version = Version(rv, resource, namespace, name, json.loads(body), body)
            shelf = self._shelves[resource]
            if rv > self.floor:
                shelf.log.append(Change(version, olds.pop(rv, None), bool(deleted), at))
            if superseded_by is not None:
                olds[superseded_by] = version
            elif not deleted:
                shelf.objects[version.key] = version
            self.revision = max(self.revision, rv)

    def get(self, resource: str, namespace: str, name: str) -> Version | None:
        return self._shelves[resource].objects.get((namespace, name))

    def versions(self, resource: str, namespace: str = "") -> list[Version]:
        """In the order of namespace and name. Without a namespace: those of all."""
        objects = self._shelves[resource].objects
        return [objects[key] for key in sorted(objects) if not namespace or key[0] == namespace]

    def each(self, resource: str) -> Iterator[Version]:
        """All of a resource, in no order. Nothing may be written meanwhile."""
        return iter(self._shelves[resource].objects.values())

    def at(self, resource: str, rv: int) -> dict[Key, Version]:
        """The objects as they were at a version that has not been compacted."""
        objects = dict(self._shelves[resource].objects)
        for change in reversed(self.changes(resource, rv)):
            if change.old is None:
                objects.pop(change.new.key, None)
            else:
                objects[change.new.key] = change.old
        return objects

    def changes(self, resource: str, since: int) -> list[Change]:
        """All after a version, in order."""
        log = self._shelves[resource].log
        return log[bisect_right(log, since, key=lambda change: change.rv) :]

    def revision_at(self, moment: float) -> int:
        """The newest version that existed at a moment, as far back as is known."""
        logs = (shelf.log for shelf in self._shelves.values())
        known = [change.rv for log in logs for change in log if change.at <= moment]
        return max(known, default=self.floor)

    def write(self, resource: str, obj: Object) -> Version:
        """Store a new or changed object; it gets the next version."""
        return self._append(resource, obj, deleted=False)

    def remove(self, resource: str, obj: Object) -> Version:
        """Forget an object. `obj` is its last state; that gets a version of its own."""
        return self._append(resource, obj, deleted=True)

    def _append(self, resource: str, obj: Object, *, deleted: bool) -> Version:
        rv = self.revision + 1
        meta = obj["metadata"]
        meta["resourceVersion"] = str(rv)
        body = _json(obj)
        key = (meta.get("namespace", ""), meta["name"])
        version = Version(rv, resource, *key, obj, body)
        shelf = self._shelves[resource]
        old = shelf.objects.get(key)
        change = Change(version, old, deleted, self._now())
        self._commit(change)
        self.revision = rv
        shelf.log.append(change)
        if deleted:
            shelf.objects.pop(key, None)
        else:
            shelf.objects[key] = version
        for listener in tuple(self._listeners[resource]):
            listener(change)
        return version

    def _commit(self, change: Change) -> None:
        new, old = change.new, change.old
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute(
                "INSERT INTO version VALUES (?, ?, ?, ?, ?, NULL, ?, ?)",
                (
                    new.rv,
                    new.resource,
                    *new.key,
                    int(change.deleted),
                    change.at,
                    new.body,
                ),
            )
            if old is not None:
                statement = "UPDATE version SET superseded_by = ? WHERE rv = ?"
                self._db.execute(statement, (new.rv, old.rv))
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def listen(self, resource: str, listener: Listener) -> Callable[[], None]:
        """Call it after every change of a resource; returns what ends that."""
        self._listeners[resource].append(listener)
        return lambda: self._listeners[resource].remove(listener)

    def compact(self, rv: int) -> None:
        """Forget the history up to a version."""
        rv = min(rv, self.revision)
        if rv <= self.floor:
            return
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("DELETE FROM version WHERE superseded_by <= ?", (rv,))
        self._db.execute("DELETE FROM version WHERE deleted AND rv <= ?", (rv,))
        self.set_meta("floor", str(rv))
        self._db.execute("COMMIT")
        self.floor = rv
        for resource, shelf in self._shelves.items():
            kept = self.changes(resource, rv)
            dropped = shelf.log[: len(shelf.log) - len(kept)]
            shelf.forgotten = dropped[-1].rv if dropped else shelf.forgotten
            shelf.log = kept

    def forgotten(self, resource: str) -> int:
        """The newest version whose change can no longer be told."""
        return self._shelves[resource].forgotten

    def count(self, what: str, outcome: str, number: int) -> None:
        self._db.execute(
            "INSERT INTO call VALUES (?, ?, ?)"
            " ON CONFLICT (what, outcome) DO UPDATE SET count = count + excluded.count",
            (what, outcome, number),
        )

    def counts(self) -> list[tuple[str, str, int]]:
        return self._db.execute("SELECT * FROM call ORDER BY what, outcome").fetchall()

    def meta(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else None

    def set_meta(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def close(self) -> None:
        self._db.close()


def _json(obj: Object) -> bytes:
    return json.dumps(obj, separators=(",", ":")).encode()
