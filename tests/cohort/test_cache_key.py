"""Digests of what a cache was made from follow the content of images."""

from __future__ import annotations

import os
from pathlib import Path

from cohort.cache_key import digest_of_parts, state_of_images
from cohort.study import Study


def test_an_image_of_the_same_size_and_time_is_another_one(tmp_path: Path) -> None:
    """A corrected film, copied with its time stamp, once kept what was made from the former one."""
    film = tmp_path / "AP.dcm"
    study = Study(study_uid="1.2", patient_id="P1", ap=film)
    film.write_bytes(b"former")
    status = film.stat()
    former = state_of_images([study])
    film.write_bytes(b"mended")
    os.utime(film, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (film.stat().st_size, film.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert digest_of_parts(state_of_images([study])) != digest_of_parts(former)
    film.unlink()
    assert state_of_images([study]) == [("1.2", "AP", "AP.dcm", "")]
