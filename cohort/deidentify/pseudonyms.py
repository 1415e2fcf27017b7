"""Pseudonyms, UIDs and shifts of dates from a secret key: the same within a run, and in every run with the same key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import date, timedelta
from pathlib import Path

from osteolens.documents.text import visible
from osteolens.errors import ConfigError, ReadError

LEAST_KEY_BYTES, MOST_KEY_BYTES = 16, 4096

MOST_DAYS = 3650
"""Dates of a patient move into the past by 1 to so many days."""


class Pseudonyms:
    """What stands in place of identifiers; none of it can be turned back, and without the key none can be guessed."""

    def __init__(self, key: bytes | None = None) -> None:
        """Take a key.

        Args:
            key: secret bytes; a random key that is kept nowhere when None.
        """
        self.is_kept = key is not None
        self._key = secrets.token_bytes(32) if key is None else key

    def __repr__(self) -> str:
        return "Pseudonyms(key not shown)"

    def patient(self, patient_id: str) -> str:
        """Pseudonym of a patient."""
        return f"P-{self._digest('patient', patient_id).hex()[:16]}"

    def name(self, kind: str, text: str) -> str:
        """Pseudonym of a site, machine or reader, which begins with the word for what it is."""
        return f"{kind}-{self._digest(kind, text).hex()[:8]}"

    def uid(self, uid: str) -> str:
        """A UID in place of another. Source: DICOM PS3.5 B.2 (root 2.25, a number of 128 bits as in ISO/IEC 9834-8)."""
        number = int.from_bytes(self._digest("uid", uid)[:16], "big")
        number = number & ~(0xF << 76) & ~(0x3 << 62) | (0x4 << 76) | (0x2 << 62)
        return f"2.25.{number}"

    def shifted(self, day: date, patient_id: str) -> date | None:
        """A day moved by the patient's shift; None where the calendar has no such day."""
        days = 1 + int.from_bytes(self._digest("days", patient_id)[:8], "big") % MOST_DAYS
        try:
            return day - timedelta(days=days)
        except OverflowError:
            return None

    def _digest(self, kind: str, text: str) -> bytes:
        message = f"{kind}\0{text}".encode("utf-8", "surrogateescape")
        return hmac.new(self._key, message, hashlib.sha256).digest()


def read_key(path: Path) -> bytes:
    """The key of a file.

    Raises:
        ConfigError: too few or too many bytes.
        ReadError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            key = stream.read(MOST_KEY_BYTES + 1)
    except OSError as error:
        raise ReadError(f"{visible(path.name)}: the key cannot be read ({error.strerror})") from error
    if not LEAST_KEY_BYTES <= len(key) <= MOST_KEY_BYTES:
        raise ConfigError(
            f"{visible(path.name)}: a key of {LEAST_KEY_BYTES} to {MOST_KEY_BYTES} bytes is expected; "
            "make one with: head -c 32 /dev/urandom > KEY"
        )
    return key
