"""SHA-256 of images that an earlier run has read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cohort.study import Study
from osteolens.file_state import FileState, file_state
from pipeline.screening.assessment import told_path
from pipeline.screening.radiograph_reader import digest_of
from pipeline.screening.rerun.record import Record


class KnownDigests:
    """The digests of one folder of results.

    A digest is taken from the record only where size, both times and inode are those of before the file was read; a
    file that was touched, copied or put back from a backup is read again.
    """

    def __init__(self, out: Path, root: Path | None) -> None:
        """Read the record.

        Args:
            out: folder of results.
            root: folder that paths are told from.
        """
        self._root = root
        self._record: Record[str] = Record(out, "digests", str)
        self._states: dict[str, FileState | None] = {}

    def of(self, image: Path) -> str:
        """Digest of an image, empty where it cannot be read."""
        name = told_path(image, self._root)
        self._states[name] = state = file_state(image)
        digest = None if state is None else self._record.get(name, state)
        if digest is None:
            digest = digest_of(image)
            self.add({name: digest})
        return digest

    def note(self, study: Study) -> None:
        """Note the state of a study's images before they are read."""
        for _, image in study.images:
            self._states[told_path(image, self._root)] = file_state(image)

    def add(self, digests: Mapping[str, str]) -> None:
        """Take the digests of images that were read after their state was noted, by their told paths."""
        for name, digest in digests.items():
            if digest:
                self._record.put(name, self._states.get(name), digest)

    def write(self, finished: bool = True) -> None:
        """Write the record.

        Args:
            finished: whether every image was asked for.

        Raises:
            OutputError: it cannot be written.
        """
        self._record.write(finished)
