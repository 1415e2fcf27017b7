"""Radiographs of the worklist: found by their recorded path, checked by their SHA-256, kept in a bounded cache."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from cohort.io.digest import sha256_of
from cohort.io.radiograph import read_radiograph
from cohort.study import Radiograph
from osteolens.atomic import make_folder, write_whole
from osteolens.errors import ReadError
from pipeline.review.summaries import ImagePlace

MOST_BYTES = 256 * 2**20
"""Memory for images that are kept; a larger image is read anew each time."""

AT_ONCE = 2
"""Images that are read at the same time."""

THUMBNAIL_PX = 256
FULL = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownImage:
    """One image as it is shown.

    Attributes:
        cells: uint16 (rows, columns), the image before its display window where the file has one.
        low: grey value of `cells` that is shown black at first.
        high: grey value of `cells` that is shown white at first.
        pixel_spacing_mm: (row, column) or None.
        radiograph: as screening reads it, without its full range; None until models need it.
    """

    cells: npt.NDArray[np.uint16]
    low: int
    high: int
    pixel_spacing_mm: tuple[float, float] | None
    radiograph: Radiograph | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return self.cells.nbytes + (0 if self.radiograph is None else self.radiograph.pixels.nbytes)


class ImageStore:
    """Images of some folders.

    All are read by a few threads of its own, never by those that answer requests: the allocator keeps for each thread
    what a large image took there.
    """

    def __init__(self, folders: Sequence[Path], thumbnails: Path, most_bytes: int = MOST_BYTES) -> None:
        """Read nothing yet.

        Args:
            folders: that images are looked for in, in this order.
            thumbnails: folder of small pictures that are made once.
            most_bytes: memory for images that are kept.
        """
        self._folders, self._thumbnails, self._most_bytes = tuple(folders), thumbnails, most_bytes
        self._kept: OrderedDict[str, ShownImage] = OrderedDict()
        self._under_way: dict[tuple[str, bool], Future[ShownImage]] = {}
        self._lock = threading.Lock()
        self._readers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="images")
        self._thumbnail_reader = ThreadPoolExecutor(1, thread_name_prefix="thumbnails")

    @property
    def bytes_kept(self) -> int:
        """Memory of the images that are kept."""
        with self._lock:
            return sum(image.size for image in self._kept.values())

    def image(self, place: ImagePlace) -> ShownImage:
        """An image as it was screened.

        Raises:
            ReadError: it is not found, has changed since, or cannot be read; no message holds its name.
        """
        return self._asked(place, False).result()

    def radiograph(self, place: ImagePlace) -> Radiograph:
        """An image as models take it, twice as large as what is shown; it is read when it is asked for.

        Raises:
            ReadError: as `image`.
        """
        radiograph = self._asked(place, True).result().radiograph
        assert radiograph is not None
        return radiograph

    def read_together(self, places: Iterable[ImagePlace]) -> None:
        """Read the images of a study at the same time; what cannot be read is told when it is asked for."""
        for asked in [self._asked(place, False) for place in places]:
            with suppress(ReadError):
                asked.result()

    def _asked(self, place: ImagePlace, with_radiograph: bool) -> Future[ShownImage]:
        """An image that is kept, is being read for somebody else, or is read now."""
        key = (place.sha256, with_radiograph)
        with self._lock:
            kept = self._kept.get(place.sha256)
            if kept is not None and (kept.radiograph is not None or not with_radiograph):
                self._kept.move_to_end(place.sha256)
                done: Future[ShownImage] = Future()
                done.set_result(kept)
                return done
            if key not in self._under_way:
                self._under_way[key] = self._readers.submit(self._read, place, with_radiograph)
            return self._under_way[key]

    def _read(self, place: ImagePlace, with_radiograph: bool) -> ShownImage:
        try:
            image = shown_image(self.path_of(place), with_radiograph)
            with self._lock:
                if image.size <= self._most_bytes:
                    self._kept[place.sha256] = image
                    self._kept.move_to_end(place.sha256)
                    while sum(kept.size for kept in self._kept.values()) > self._most_bytes:
                        self._kept.popitem(last=False)
            return image
        finally:
            with self._lock:
                del self._under_way[place.sha256, with_radiograph]

    def png(self, place: ImagePlace, most_px: int | None = None) -> bytes:
        """A 16-bit grey PNG.

        Args:
            place: of the image.
            most_px: longest side; all pixels of the image when left out.

        Raises:
            ReadError: as `image`.
        """
        cells = smaller(self.image(place).cells, most_px)
        return _encoded(".png", cells, (cv2.IMWRITE_PNG_COMPRESSION, 1))

    def greys(self, place: ImagePlace, most_px: int | None = None) -> tuple[bytes, tuple[int, int]]:
        """uint16 greys, little-endian, row by row, and their (rows, columns): browsers cut a 16-bit PNG to 8 bits.

        Args:
            place: of the image.
            most_px: longest side; all pixels of the image when left out.

        Raises:
            ReadError: as `image`.
        """
        cells = smaller(self.image(place).cells, most_px)
        return cells.astype("<u2").tobytes(), (cells.shape[0], cells.shape[1])

    def thumbnail(self, place: ImagePlace) -> bytes:
        """A small JPEG, made once and kept on the disk.

        Raises:
            ReadError: as `image`.
            OutputError: it cannot be written.
        """
        path = self._thumbnails / f"{place.sha256}.jpg"
        try:
            return path.read_bytes()
        except OSError:
            pass
        small = self._thumbnail_reader.submit(self._small, place).result()
        low, high = np.percentile(small, (0.5, 99.7))
        grey = np.clip((small - low) / max(float(high - low), 1e-4), 0, 1)
        picture = _encoded(".jpg", np.round(grey * 255).astype(np.uint8), (cv2.IMWRITE_JPEG_QUALITY, 80))
        make_folder(self._thumbnails)
        write_whole(path, picture)
        return picture

    def _small(self, place: ImagePlace) -> npt.NDArray[np.float32]:
        """The image as screening reads it, made smaller; after images of studies, so that a scrolled worklist delays no
        study. It is not kept.

        Raises:
            ReadError: as `image`.
        """
        with self._lock:
            under_way = list(self._under_way.values())
        wait(under_way)
        return smaller(radiograph_of(self.path_of(place)).pixels, THUMBNAIL_PX)

    def path_of(self, place: ImagePlace) -> Path:
        """The file of an image, whose content is that of the time when it was screened.

        Raises:
            ReadError: there is no such file, or its content is another.
        """
        changed = False
        for folder in self._folders:
            path = inside(folder, place.path)
            try:
                if path is None or not path.is_file():
                    continue
                if sha256_of(path) == place.sha256:
                    return path
            except (OSError, ValueError):
                continue
            changed = True
        if changed:
            raise ReadError("the image file has changed since it was screened; screen the study anew")
        raise ReadError("the image file is not found; give the folder that was screened by --images")


def inside(folder: Path, recorded: str) -> Path | None:
    """A recorded path in a folder; None where it would lead out of it."""
    path = PurePath(recorded)
    if path.is_absolute():
        return Path(path) if path.is_relative_to(folder.absolute()) and ".." not in path.parts else None
    return None if ".." in path.parts or path.drive or path.root else folder / path


def radiograph_of(path: Path, with_full_range: bool = False) -> Radiograph:
    """Read an image.

    Raises:
        ReadError: it cannot be read; the message does not hold its name.
    """
    try:
        return read_radiograph(path, with_full_range)
    except ReadError as error:
        raise ReadError(str(error).removeprefix(f"{path.name}: ").replace(path.name, "the image")) from error


def shown_image(path: Path, with_radiograph: bool = False) -> ShownImage:
    """Read an image with its full range.

    Args:
        path: the file.
        with_radiograph: whether it is kept as models take it, too.

    Raises:
        ReadError: as `radiograph_of`.
    """
    radiograph = radiograph_of(path, with_full_range=True)
    full, pixels = radiograph.full_range, radiograph.pixels
    cells, low, high = _cells(pixels if full is None else full), 0, FULL
    if full is not None:
        within = cells[(pixels > 0) & (pixels < 1)]
        low, high = (int(within.min()), int(within.max())) if within.size else (0, FULL)
    return ShownImage(
        cells=cells,
        low=low,
        high=max(high, low + 1),
        pixel_spacing_mm=radiograph.pixel_spacing_mm,
        radiograph=replace(radiograph, full_range=None) if with_radiograph else None,
    )


def _cells(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Values in [0, 1] on the whole scale of 16 bits."""
    scaled = pixels * np.float32(FULL)
    return np.asarray(np.rint(scaled, out=scaled).astype(np.uint16))


Cell = TypeVar("Cell", np.uint16, np.float32)


def smaller(pixels: npt.NDArray[Cell], most_px: int | None) -> npt.NDArray[Cell]:
    """The image, its longest side at most some pixels."""
    longest = max(pixels.shape)
    if most_px is None or longest <= most_px:
        return pixels
    size = (max(1, round(pixels.shape[1] * most_px / longest)), max(1, round(pixels.shape[0] * most_px / longest)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), pixels.dtype)


def _encoded(suffix: str, pixels: npt.NDArray[np.uint16] | npt.NDArray[np.uint8], options: tuple[int, int]) -> bytes:
    return bytes(cv2.imencode(suffix, pixels, options)[1].tobytes())
