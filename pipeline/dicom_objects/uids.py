"""Identifiers of objects that follow from what they hold, so that the same result has the same identifier."""

from __future__ import annotations

import hashlib
import uuid

UUID_ROOT = "2.25"
"""Root under which any UUID is a UID (ITU-T X.667; DICOM PS3.5 B.2)."""

MOST_CHARACTERS = 64
"""Characters of a UID (DICOM PS3.5 9.1)."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:osteolens:dicom-objects")


def derived_uid(root: str, *parts: str) -> str:
    """A UID that the parts determine.

    Args:
        root: of the UID; under 2.25 the UID is a name-based UUID.
        parts: of what it identifies, each told from the next.
    """
    text = "\0".join(parts)
    if root == UUID_ROOT:
        return f"{UUID_ROOT}.{uuid.uuid5(_NAMESPACE, text).int}"
    number = str(int.from_bytes(hashlib.sha256(text.encode()).digest(), "big"))
    return f"{root}.{number[: MOST_CHARACTERS - len(root) - 1]}"
