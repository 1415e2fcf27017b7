"""Pictures of a result: level-labelled boxes on the radiograph, the class below."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from cohort.spine import TARGET_LEVELS, VertebralLevel, View
from detect.segmenter import Points
from pipeline.prediction import Prediction

_TARGET = (80, 220, 255)
_CONTEXT = (200, 150, 60)
_LEFT_OUT = (90, 90, 255)
_OUTLINE = (140, 230, 140)


def overlay_png(
    prediction: Prediction,
    view: View,
    pixels: npt.NDArray[np.float32],
    side: int,
    outlines: Mapping[VertebralLevel, Points] | None = None,
    heat: npt.NDArray[np.float32] | None = None,
) -> bytes:
    """One view as PNG: used levels of L1-L4 in yellow, those left out in red with the reason, context levels in blue,
    outlines of bodies in green, class and findings in a band below.

    Args:
        prediction: result of the study.
        view: which view.
        pixels: (rows, columns) in [0, 1].
        side: longest side of the picture in pixels.
        outlines: points (n, 2) of bodies in pixels of the image.
        heat: (rows, columns) in [0, 1], laid over the image in colour.
    """
    scale = side / max(pixels.shape)
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    low, high = np.percentile(small, (0.5, 99.7))
    grey = np.clip((small - low) / max(float(high - low), 1e-4), 0, 1)
    picture = cv2.cvtColor(np.round(grey * 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    if heat is not None:
        hot = cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR)
        colours = cv2.applyColorMap(np.round(np.clip(hot, 0, 1) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
        opacity = 0.6 * np.clip(hot, 0, 1)[..., None]
        picture = np.round(picture * (1 - opacity) + colours * opacity).astype(np.uint8)
    for outline in (outlines or {}).values():
        cv2.polylines(picture, [np.round(scale * outline).astype(np.int32)], True, _OUTLINE, 1, cv2.LINE_AA)
    left_out = prediction.views[view].left_out
    for box in prediction.views[view].detection.boxes:
        colour = _CONTEXT if box.level not in TARGET_LEVELS else _LEFT_OUT if box.level in left_out else _TARGET
        x0, y0, x1, y1 = (round(v * scale) for v in box.corners)
        cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 2 if box.level in TARGET_LEVELS else 1, cv2.LINE_AA)
        label = f"{box.level} {left_out[box.level].code if box.level in left_out else f'{box.confidence:.2f}'}"
        (wide, tall), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
        at = (min(x1 + 6, picture.shape[1] - wide - 4), (y0 + y1 + tall) // 2)
        cv2.rectangle(picture, (at[0] - 3, at[1] - tall - 3), (at[0] + wide + 3, at[1] + 4), (16, 16, 16), -1)
        cv2.putText(picture, label, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
    lines = _result_lines(prediction, view)
    band = np.full((8 + 22 * len(lines), picture.shape[1], 3), 24, np.uint8)
    for line, text in enumerate(lines):
        cv2.putText(band, text, (8, 20 + 22 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (235, 235, 235), 1, cv2.LINE_AA)
    encoded = cv2.imencode(".png", np.vstack((picture, band)))[1]
    return encoded.tobytes()


def _result_lines(prediction: Prediction, view: View) -> list[str]:
    if prediction.bmd_class is None:
        code = prediction.rejection.code if prediction.rejection else "rejected"
        lines = [f"{view}: rejected ({code})"]
    else:
        lines = [f"{view}: {prediction.bmd_class}"]
        if prediction.t_score is not None:
            lines[0] += f", T-score about {prediction.t_score:.1f}"
        lines.append("  ".join(f"{c} {p:.2f}" for c, p in prediction.probabilities.items()))
    return [*lines, *_finding_lines(prediction, view), "research use, not a medical device"]


def _finding_lines(prediction: Prediction, view: View) -> list[str]:
    cobb = prediction.views[view].cobb
    if cobb is not None:
        return [f"Cobb angle about {cobb.degrees:.0f} degrees ({cobb.upper} to {cobb.lower})"]
    suspected = prediction.suspected_fractures if view is View.LATERAL else {}
    names = ", ".join(f"{level} grade {vertebra.genant_grade}" for level, vertebra in suspected.items())
    return [f"fracture suspected: {names}; to be confirmed"] if names else []
