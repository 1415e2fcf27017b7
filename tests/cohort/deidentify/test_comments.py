"""Comments within compressed pixels."""

from __future__ import annotations

import cv2
import numpy as np

from cohort.deidentify.comments import has_comment

GREY = np.random.default_rng(0).integers(0, 255, (32, 32), dtype=np.uint8)


def jpeg(extra: bytes = b"") -> bytes:
    raw = bytes(cv2.imencode(".jpg", GREY)[1])
    return raw[:2] + extra + raw[2:]


def test_a_plain_jpeg_has_none() -> None:
    assert not has_comment(jpeg())


def test_comments_and_exif_are_found() -> None:
    assert has_comment(jpeg(b"\xff\xfe\x00\x0cJane Miller"[:14]))
    assert has_comment(jpeg(b"\xff\xe1\x00\x0aExif\0\0ab"))
    assert has_comment(jpeg() + b"Jane Miller")


def test_comments_of_jpeg_2000_are_found() -> None:
    start = b"\xff\x4f\xff\x51" + (4).to_bytes(2, "big") + b"\0\0"
    comment = b"\xff\x64" + (4 + 11).to_bytes(2, "big") + b"\0\x01" + b"Jane Miller"
    signed = b"\xff\x64" + (4 + 25).to_bytes(2, "big") + b"\0\x01" + b"Created by OpenJPEG 2.5.0"
    assert has_comment(start + comment + b"\xff\x90")
    assert not has_comment(start + signed + b"\xff\x90\0\0")
