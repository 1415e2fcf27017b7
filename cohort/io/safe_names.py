"""Identifiers that are safe as names of files."""

from __future__ import annotations

import hashlib
import re


def safe_name(text: str) -> str:
    """An identifier that is safe as a file name: DICOM UIDs pass; anything else is cleaned and given a hash."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._")[:80]
    if cleaned == text and cleaned:
        return cleaned
    return f"{cleaned or 'study'}-{_digest(text)}"


def part_of_study(study_uid: str, patient_id: str) -> str:
    """Identifier of one patient's part of a study whose StudyInstanceUID stands for several patients."""
    return f"{study_uid}.{_digest(patient_id)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
