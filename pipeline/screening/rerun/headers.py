"""Headers of DICOM files that an earlier run has read."""

from __future__ import annotations

from pathlib import Path

from cohort.io.dicom.read import Header
from osteolens.documents.text import visible
from osteolens.file_state import FileState, file_state
from pipeline.screening.assessment import told_path
from pipeline.screening.rerun.record import Record


class KnownHeaders:
    """The headers of one folder of results, as `index_cohort` takes them."""

    def __init__(self, out: Path, source: Path) -> None:
        """Read the record.

        Args:
            out: folder of results.
            source: folder, image or manifest that is screened.
        """
        self._root = source if source.is_dir() else source.parent
        self._record: Record[Header] = Record(out, "headers", Header)
        self._states: dict[Path, FileState | None] = {}

    def get(self, path: Path) -> Header | None:
        """Header of a file that is unchanged since it was read, or None; its state is noted."""
        self._states[path] = state = file_state(path)
        return None if state is None else self._record.get(self._name(path), state)

    def add(self, path: Path, header: Header) -> None:
        """Take a header that was read after `get` was asked for it."""
        self._record.put(self._name(path), self._states.get(path), header)

    def write(self) -> None:
        """Write the record, once all files were asked for.

        Raises:
            OutputError: it cannot be written.
        """
        self._record.write()

    def _name(self, path: Path) -> str:
        """Folder and path of a file; a header without a view takes it from the names of both."""
        return f"{visible(path.parent.name)}/{told_path(path, self._root)}"
