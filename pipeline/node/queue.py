"""The queue of studies, in SQLite: what was received, what is worked on and by whom, what was sent.

A study rests as `received`, `made`, `sent` or `failed`, and is worked on as `screening` or `sending`. Whoever works on
one holds a claim, a random token with a lease; when the lease runs out another process takes the study over, and what
the former one still does counts for nothing. A new or re-sent instance takes the study back to `received`.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path

from osteolens.errors import OutputError

SCHEMA = """
CREATE TABLE IF NOT EXISTS secret (key BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS studies (
    study TEXT PRIMARY KEY, state TEXT NOT NULL, changed REAL NOT NULL, received REAL NOT NULL, sent REAL,
    claim TEXT, lease REAL NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, next_try REAL NOT NULL DEFAULT 0,
    results TEXT, sent_results TEXT, reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE IF NOT EXISTS instances (
    study TEXT NOT NULL, instance TEXT NOT NULL, bytes INTEGER NOT NULL, received REAL NOT NULL,
    PRIMARY KEY (study, instance)
) STRICT;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value REAL NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS studies_by_state ON studies (state, received);
"""

BUSY_SECONDS = 30
"""Time that a transaction waits for that of another process."""


class State(StrEnum):
    """What a study waits for, or what is done with it."""

    RECEIVED = "received"
    SCREENING = "screening"
    MADE = "made"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


WORK = {State.RECEIVED: State.SCREENING, State.MADE: State.SENDING}
"""What is done with a study that waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Right of one process to work on a study.

    Attributes:
        study: name of the study.
        token: random; names the claim, and the folder of the results that are made under it.
        attempts: how often work of this kind was begun, with this time.
        results: folder of the results that were made, empty before.
        sent_results: folder of the results that were sent last, empty before.
    """

    study: str
    token: str
    attempts: int
    results: str = ""
    sent_results: str = ""


class StudyQueue:
    """An open queue; its methods may be called from several threads."""

    def __init__(self, path: Path) -> None:
        """Open the queue, and make it if it is not there.

        Raises:
            OutputError: it cannot be opened.
        """
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(SCHEMA)
            with self.transaction() as database:
                if database.execute("SELECT 1 FROM secret").fetchone() is None:
                    database.execute("INSERT INTO secret VALUES (?)", (secrets.token_bytes(32),))
            self._key: bytes = self._connection.execute("SELECT key FROM secret").fetchone()[0]
        except sqlite3.Error as error:
            raise OutputError(f"{path}: the queue cannot be opened ({error}); check the disk and the rights") from error

    def close(self) -> None:
        """Close it."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the queue for one change, which happens whole or not at all, against other threads and processes."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def name_of(self, *identifiers: str) -> str:
        """Name of a study or instance in files and logs: a hash with the queue's own secret, so that nobody who knows a
        UID finds it."""
        return blake2b("\0".join(identifiers).encode("utf-8", "replace"), key=self._key, digest_size=16).hexdigest()

    def instances(self, study: str) -> set[str]:
        """Names of the instances of a study."""
        with self._lock:
            rows = self._connection.execute("SELECT instance FROM instances WHERE study = ?", (study,)).fetchall()
        return {name for (name,) in rows}

    def claim(self, waiting: State, lease_seconds: float, quiet_seconds: float = 0.0) -> Claim | None:
        """Take the study that waits longest, or that whoever worked on it has left.

        Args:
            waiting: `received` or `made`.
            lease_seconds: how long the claim holds.
            quiet_seconds: time since the last instance.
        """
        now, token = time.time(), secrets.token_hex(8)
        with self.transaction() as database:
            row = database.execute(
                """SELECT study FROM studies WHERE (state = ? AND next_try <= ? AND received <= ?)
                OR (state = ? AND lease < ?) ORDER BY received LIMIT 1""",
                (waiting, now, now - quiet_seconds, WORK[waiting], now),
            ).fetchone()
            if row is None:
                return None
            attempts, results, sent_results = database.execute(
                """UPDATE studies SET state = ?, changed = ?, claim = ?, lease = ?, attempts = attempts + 1
                WHERE study = ? RETURNING attempts, results, sent_results""",
                (WORK[waiting], now, token, now + lease_seconds, row[0]),
            ).fetchone()
        return Claim(
            study=row[0], token=token, attempts=attempts, results=results or "", sent_results=sent_results or ""
        )

    def renew(self, claim: Claim, lease_seconds: float) -> bool:
        """Hold a claim for longer; whether it still holds."""
        return self._of_claim(claim, "lease = ?", (time.time() + lease_seconds,))

    def made(self, claim: Claim) -> bool:
        """The results of a claim are on the disk, in the folder of its token; whether the claim still held."""
        return self._ended(claim, State.MADE, "attempts = 0, next_try = 0, results = ?", (claim.token,))

    def sent(self, claim: Claim) -> bool:
        """The results were taken by the receiver; whether the claim still held."""
        return self._ended(
            claim, State.SENT, "attempts = 0, reason = '', sent_results = results, sent = ?", (time.time(),)
        )

    def failed(self, claim: Claim, reason: str) -> bool:
        """Nothing more is tried; whether the claim still held."""
        return self._ended(claim, State.FAILED, "reason = ?, results = ?", (reason, claim.token))

    def put_back(self, claim: Claim, waiting: State, reason: str, seconds: float, began: bool = True) -> bool:
        """Try a study again later.

        Args:
            claim: of it.
            waiting: what it waits for.
            reason: why, without identifiers.
            seconds: until then.
            began: whether the attempt counts.
        """
        values = (time.time() + seconds, reason, 0 if began else 1)
        return self._ended(claim, waiting, "next_try = ?, reason = ?, attempts = attempts - ?", values)

    def _ended(self, claim: Claim, state: State, change: str, values: tuple[object, ...]) -> bool:
        change = f"state = ?, changed = ?, claim = NULL, lease = 0, {change}"
        return self._of_claim(claim, change, (state, time.time(), *values))

    def _of_claim(self, claim: Claim, change: str, values: tuple[object, ...]) -> bool:
        with self.transaction() as database:
            done = database.execute(
                f"UPDATE studies SET {change} WHERE study = ? AND claim = ?", (*values, claim.study, claim.token)
            )
            return done.rowcount == 1

    def count(self, name: str, by: float = 1.0) -> None:
        """Add to a counter of /metrics."""
        with self.transaction() as database:
            database.execute(
                "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                (name, by),
            )

    def counters(self) -> dict[str, float]:
        """Counters of /metrics."""
        with self._lock:
            return dict(self._connection.execute("SELECT name, value FROM counters ORDER BY name").fetchall())

    def states(self) -> dict[State, int]:
        """Studies by state."""
        with self._lock:
            rows = self._connection.execute("SELECT state, count(*) FROM studies GROUP BY state").fetchall()
        found = dict(rows)
        return {state: found.get(state, 0) for state in State}

    def oldest_seconds(self) -> float:
        """Time since the last instance of the study that waits longest; 0 when none waits."""
        open_states = (State.RECEIVED, State.SCREENING, State.MADE, State.SENDING)
        with self._lock:
            (oldest,) = self._connection.execute(
                "SELECT min(received) FROM studies WHERE state IN (?, ?, ?, ?)", open_states
            ).fetchone()
        return 0.0 if oldest is None else max(0.0, time.time() - float(oldest))

    def reasons(self, most: int = 20) -> list[tuple[str, State, int, str]]:
        """Studies that failed or are tried again: name, state, attempts, reason."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT study, state, attempts, reason FROM studies WHERE reason != '' ORDER BY changed DESC LIMIT ?",
                (most,),
            ).fetchall()
        return [(study, State(state), attempts, reason) for study, state, attempts, reason in rows]
