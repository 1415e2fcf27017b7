"""The band below an overlay: class, T-score, decision, findings, levels left out, and what made the result."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from PIL import Image, ImageDraw

from cohort.rejection_codes import LevelCode
from cohort.spine import VertebralLevel, View
from pipeline.appearance.colours import CLASSES, DARK, INK, rgb
from pipeline.appearance.lettering import font, legible, wrapped
from pipeline.prediction import Prediction

DISCLAIMER = "estimated, research use, not a medical device"
"""Last words of every overlay."""

SPACING, LARGER, HEADING = 1.42, 1.15, 2.0
"""Height of a line, size of the first line's letters and its height, by the size of the letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Words of the first line, on a plate of a colour or on none, in pixels from the corner of the band's text."""

    text: str
    plate: str
    x: float
    y: int
    width: float


def legend(prediction: Prediction, view: View, width: int, size_px: int) -> Image.Image:
    """The band in RGB.

    Args:
        prediction: result of the study.
        view: above the band.
        width: of the band in pixels.
        size_px: of its letters.
    """
    margin = round(0.6 * size_px)
    face = font(size_px)
    said = [line for text in _sentences(prediction, view) for line in wrapped(legible(text), face, width - 2 * margin)]
    model = legible(f"OsteoLens {version('osteolens')}, weights {prediction.model.version}: {DISCLAIMER}")
    made_by = wrapped(model, face, width - 2 * margin)
    step = round(SPACING * size_px)
    runs, top = _heading(prediction, view, width - 2 * margin, size_px)
    rows = 2 * margin + top + step * (len(said) + len(made_by))
    band = Image.new("RGB", (width, rows), rgb(DARK["page"]))
    draw = ImageDraw.Draw(band)
    for run in runs:
        _write_run(draw, run, margin, size_px)
    top += margin
    for colour, lines in (("text", said), ("quiet", made_by)):
        for line in lines:
            draw.text((margin, top), line, rgb(DARK[colour]), face)
            top += step
    return band


def level_words(prediction: Prediction, view: View) -> dict[VertebralLevel, tuple[str, ...]]:
    """Why levels of a view are left out and where a fracture is suspected, in words for a label, the longest first.

    Args:
        prediction: result of the study.
        view: of its levels.
    """
    left_out = prediction.views[view].left_out
    words: dict[VertebralLevel, tuple[str, ...]] = {level: (_plain(why.code),) for level, why in left_out.items()}
    for level, vertebra in prediction.suspected_fractures.items():
        words[level] = (f"fracture? grade {vertebra.genant_grade}", "fracture?")
    return words


def _plain(code: LevelCode) -> str:
    return code.value.replace("_", " ")


def _heading(prediction: Prediction, view: View, width: int, size_px: int) -> tuple[list[_Run], int]:
    """Large words from left to right, in lines no wider than a width, and the height of all lines."""
    if prediction.bmd_class is None:
        runs = [(f"{view}", ""), ("failed, no class" if prediction.failure else "rejected, no class", "")]
    else:
        runs = [(f"{view}", ""), (f"{prediction.bmd_class}", CLASSES[prediction.bmd_class])]
    if prediction.t_score is not None:
        minus = "\N{MINUS SIGN}" if prediction.t_score < 0 else ""
        runs.append((f"T-score about {minus}{abs(prediction.t_score):.1f}", ""))
    face, pad = font(round(LARGER * size_px), bold=True), 0.4 * size_px
    placed: list[_Run] = []
    x, y = 0.0, 0
    for text, plate in runs:
        wide = face.getlength(text) + (2 * pad if plate else 0)
        if x and x + wide > width:
            x, y = 0.0, y + round(HEADING * size_px)
        placed.append(_Run(text=text, plate=plate, x=x, y=y, width=wide))
        x += wide + size_px
    return placed, y + round(HEADING * size_px)


def _write_run(draw: ImageDraw.ImageDraw, run: _Run, margin: int, size_px: int) -> None:
    face, x, y = font(round(LARGER * size_px), bold=True), margin + run.x, margin + run.y
    middle = y + 0.8 * size_px
    if run.plate:
        draw.rounded_rectangle((x, y, x + run.width, y + 1.6 * size_px), 0.2 * size_px, fill=rgb(run.plate))
        draw.text((x + 0.4 * size_px, middle), run.text, rgb(INK), face, anchor="lm")
    else:
        draw.text((x, middle), run.text, rgb(DARK["text"]), face, anchor="lm")


def _sentences(prediction: Prediction, view: View) -> list[str]:
    said = []
    if prediction.rejection is not None:
        said.append(f"{prediction.rejection.code}: {prediction.rejection.reason}")
    if prediction.failure is not None:
        said.append(prediction.failure)
    if prediction.decision is not None:
        said.append(f"Decision: {prediction.decision}")
    if prediction.probabilities:
        said.append(", ".join(f"{c} {p:.2f}" for c, p in prediction.probabilities.items()))
    suspected = prediction.suspected_fractures
    if suspected:
        names = ", ".join(f"{level} grade {vertebra.genant_grade}" for level, vertebra in suspected.items())
        said.append(f"Fracture suspected, to be confirmed by a reader: {names}")
    result = prediction.views[view]
    if result.cobb is not None:
        said.append(f"Cobb angle about {result.cobb.degrees:.0f} degrees ({result.cobb.upper} to {result.cobb.lower})")
    left_out = [
        f"{level} {_plain(why.code)}" for level, why in result.left_out.items() if why.code is not LevelCode.NOT_FOUND
    ]
    if left_out:
        said.append(f"Dashed, left out: {', '.join(left_out)}")
    missing = [level.value for level, why in result.left_out.items() if why.code is LevelCode.NOT_FOUND]
    if missing:
        said.append(f"Not found: {', '.join(missing)}")
    return said
