"""Where the classifier looked, as a layer: of the first result from stored pictures, of a reader's boxes made anew."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from cohort.spine import View
from osteolens.errors import ReadError
from pipeline.screening.output.overlay import radiograph_width

MOST_LAYER_PX = 4096
"""Longest side of a stored picture that is opened."""

STRONGER = 4
"""Levels of opacity for one level of colour that the map of the classifier added to a picture."""

MADE_PX = 1024
"""Longest side of a layer that is made here; the map of the network has a few cells a body."""

MOST_OPACITY = 0.6
"""Opacity where the map is 1, as in the pictures of a screening."""


def heat_layer(out: Path, study_uid: str, view: View, shape: tuple[int, int]) -> bytes | None:
    """Where the classifier looked: what `process --explain` drew on a picture beyond its other overlay, as a PNG.

    None where it drew none.

    Boxes, names and the band of text below the image stand on both pictures and are transparent here.

    Args:
        out: folder of results.
        study_uid: of a study of the worklist.
        view: of the image.
        shape: (rows, columns) of the image.

    Raises:
        ReadError: a picture that cannot be read, or is none of ours.
    """
    try:
        explained = _picture(out / "overlays" / f"{study_uid}_{view}_explained.png")
        plain = _picture(out / "overlays" / f"{study_uid}_{view}.png")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, SyntaxError) as error:
        raise ReadError("the picture cannot be read; run `osteolens process --explain --no-resume`") from error
    if explained.shape != plain.shape:
        raise ReadError("the two pictures of the view differ in size; run `osteolens process --explain --no-resume`")
    height = min(round(plain.shape[1] * shape[0] / shape[1]), plain.shape[0])
    added = np.abs(explained[:height].astype(np.int16) - plain[:height]).max(axis=2)
    opacity = np.clip(added * STRONGER, 0, 255).astype(np.uint8)
    layer = io.BytesIO()
    Image.fromarray(np.dstack([explained[:height], opacity])).save(layer, "PNG")
    return layer.getvalue()


def _picture(path: Path) -> npt.NDArray[np.uint8]:
    """A stored picture as (rows, columns, 3), without the margin at the right of a narrow radiograph."""
    with path.open("rb") as stream, Image.open(stream, formats=("PNG",)) as picture:
        if max(picture.size) > MOST_LAYER_PX:
            raise ReadError(f"the picture has a side of {max(picture.size)} pixels; expected {MOST_LAYER_PX}")
        return np.asarray(picture.convert("RGB"))[:, : radiograph_width(picture)]


def heat_png(heat: npt.NDArray[np.float32]) -> bytes:
    """A map (rows, columns) in [0, 1] as a PNG of colours, the more opaque the greater the value."""
    rows, columns = heat.shape
    scale = min(1.0, MADE_PX / max(rows, columns))
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    hot = np.clip(cv2.resize(heat, size, interpolation=cv2.INTER_AREA), 0, 1)
    colours = cv2.applyColorMap(np.round(hot * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    opacity = np.round(hot * MOST_OPACITY * 255).astype(np.uint8)
    return bytes(cv2.imencode(".png", np.dstack([colours, opacity]))[1].tobytes())
