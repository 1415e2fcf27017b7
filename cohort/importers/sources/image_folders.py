"""Where the images of annotations lie: beside them, or in a folder of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath, PureWindowsPath

from cohort.importers.sources.documents import images_under, is_file, siblings, without_suffix
from cohort.io.view_names import study_key
from osteolens.documents.text import visible
from osteolens.errors import ReadError

BESIDE_IMAGES = frozenset({"annotations", "labels", "label", "xml", "json"})
"""Folders beside that of the images: for a file in one of them the folder above is the source."""


class ImageFolders:
    """The folders that images may be taken from: that of the source, and those that the user names."""

    def __init__(self, source: Path, further: Sequence[Path] = ()) -> None:
        """List nothing yet.

        Args:
            source: folder, or file with annotations.
            further: other folders with images.

        Raises:
            ReadError: one of the other folders is none.
        """
        if missing := [str(other) for other in further if not other.is_dir()]:
            raise ReadError(f"{', '.join(missing)}: no such folder; expected the images of the annotations")
        folder = source if source.is_dir() else source.parent
        beside = not source.is_dir() and folder.name.casefold() in BESIDE_IMAGES
        self.root = folder.parent if beside else folder
        self.further = tuple(further)
        self._by_name: dict[str, list[Path]] | None = None
        self._by_stem: dict[str, list[Path]] = {}

    @property
    def folders(self) -> tuple[Path, ...]:
        """All of them."""
        return (self.root, *self.further)

    def holds(self, path: Path) -> bool:
        """Whether a path is a file in one of the folders, links resolved."""
        return is_file(path) and any(path.resolve().is_relative_to(folder.resolve()) for folder in self.folders)

    def relative(self, path: Path) -> PurePath:
        """An image's path from the innermost of the folders."""
        inside = [path.relative_to(folder) for folder in self.folders if path.is_relative_to(folder)]
        return min(inside, key=lambda relative: len(relative.parts), default=PurePath(path.name))

    def find(self, folder: Path, name: str, stem: str = "") -> Path:
        """The image that a document names.

        The path as it stands, below `images`, with the suffix in other case; else the one image of the folders whose
        path ends as the name does, since documents keep paths of other machines; else the one of another suffix. A name
        that is nothing but a view (`AP.png`) must share its folder with the image, so that no two patients are mixed.

        Args:
            folder: of the document.
            name: as the document has it, with slashes of Windows too.
            stem: of the document, where it is named as its image is.

        Returns:
            the image, or the path as it stands, which then need not exist.

        Raises:
            ReadError: several images fit.
        """
        posix = PureWindowsPath(name).as_posix() if "\\" in name or PureWindowsPath(name).drive else name
        stated = folder / posix
        for place in (stated, folder / "images" / posix, folder.parent / "images" / posix):
            if self.holds(place):
                return place
            beside = [path for path in siblings(place) if path.name.casefold() == place.name.casefold()]
            if len(beside) == 1 and self.holds(beside[0]):
                return beside[0]
        last = PurePath(posix).name
        names, stems = self._index()
        for key, of in ((last, names), (without_suffix(last), stems), (stem, stems)):
            found = _best(posix, of.get(key.casefold(), ()) if key else ())
            if found is not None:
                return found
        return stated

    def named(self, stem: str) -> Path | None:
        """The image in the user's folders whose name is a stem and one suffix.

        Raises:
            ReadError: several images fit.
        """
        if not self.further:
            return None
        names, stems = self._index()
        found = (*stems.get(stem.casefold(), ()), *names.get(stem.casefold(), ()))
        return _best(stem, [path for path in found if any(path.is_relative_to(folder) for folder in self.further)])

    def _index(self) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
        if self._by_name is None:
            self._by_name = {}
            for path in dict.fromkeys(path for folder in self.folders for path in images_under(folder)):
                self._by_name.setdefault(path.name.casefold(), []).append(path)
                self._by_stem.setdefault(without_suffix(path.name).casefold(), []).append(path)
        return self._by_name, self._by_stem


def _best(name: str, paths: Iterable[Path]) -> Path | None:
    """The path that shares the most of its end with a name.

    Raises:
        ReadError: several do alike.
    """
    wanted = [part.casefold() for part in PurePath(name).parts][-2::-1]

    def shared(path: Path) -> int:
        count = 0
        for ours, theirs in zip(wanted, [part.casefold() for part in path.parts][-2::-1], strict=False):
            if ours != theirs:
                break
            count += 1
        return count

    ranked = sorted(dict.fromkeys(paths), key=shared, reverse=True)
    if (
        ranked
        and not shared(ranked[0])
        and not study_key(PurePath(f"{without_suffix(PurePath(name).name)}.x"), root="")
    ):
        return None
    if len(ranked) > 1 and shared(ranked[0]) == shared(ranked[1]):
        raise ReadError(
            f"{len(ranked)} images are named {visible(PurePath(name).name)}; keep one, or give --images the folder"
        )
    return ranked[0] if ranked else None
