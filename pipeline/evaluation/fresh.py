"""Whether an evaluation is the first and only one of a fresh test cohort, by the weights that it was drawn for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, ValidationError

from cohort.in_silico import FreshFor, read_fresh_for
from osteolens.config import StrictConfig
from osteolens.documents.json_document import read_json, write_json
from osteolens.documents.text import visible
from osteolens.errors import OutputError, ReadError
from pipeline.prediction import ModelIdentifiers, Prediction

JUDGED = "judged.json"
"""In the folder of a fresh test cohort: by which weights it was judged."""

MOST_NAMED = 5
"""Earlier judgements that are named."""


class Judgement(StrictConfig):
    """Weights and settings that a cohort judged."""

    release: str = Field(description="name of the weights")
    weights: dict[str, str] = Field(description="start of the SHA-256 of each weights file")
    settings: str = Field(description="digest of the settings of the screening")
    first: datetime = Field(description="first evaluation, UTC")

    def is_of(self, model: ModelIdentifiers) -> bool:
        """Whether it is of these weights and settings."""
        return (self.weights, self.settings) == (dict(model.hashes), model.settings)


class Judgements(StrictConfig):
    """Every one of a cohort, the earliest first."""

    judged: tuple[Judgement, ...] = Field((), description="by time")


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshTest:
    """What is to be said of an evaluation on a fresh test cohort.

    Attributes:
        cohort: weights and seed that the cohort was drawn for.
        is_fresh: whether the results are of these weights, the seed is theirs, and none was judged here before.
        lines: the same in words.
    """

    cohort: FreshFor
    is_fresh: bool
    lines: tuple[str, ...]

    def as_json(self) -> Mapping[str, object]:
        """One object."""
        return {**self.cohort.model_dump(mode="json"), "is_fresh": self.is_fresh, "notes": list(self.lines)}


def fresh_test(cohort: Path, predictions: Sequence[Prediction]) -> FreshTest | None:
    """What a fresh test cohort says of these results, noted in its folder; None for every other cohort.

    Args:
        cohort: folder.
        predictions: results that are evaluated.
    """
    drawn = read_fresh_for(cohort)
    if drawn is None:
        return None
    models = {(p.model.settings, tuple(sorted(p.model.hashes.items()))): p.model for p in predictions}
    problems = [] if drawn.derives else ["the seed is not the one that these weights give: somebody chose it"]
    others = sorted({visible(m.version) for m in models.values() if dict(m.hashes) != drawn.weights})
    if others:
        problems.append(f"the results are of other weights ({', '.join(others)}): no fresh test of them")
    earlier, trouble = _judged(cohort / JUDGED)
    now = datetime.now(UTC).replace(microsecond=0)
    new = [Judgement(release=m.version, weights=dict(m.hashes), settings=m.settings, first=now)
           for m in models.values() if not any(known.is_of(m) for known in earlier)]  # fmt: skip
    before = [known for known in earlier if not any(known.is_of(m) for m in models.values())]
    for known in before[:MOST_NAMED]:
        what = "with other settings" if known.weights == drawn.weights else f"by weights {visible(known.release)}"
        problems.append(f"it was judged before {what}, on {known.first:%Y-%m-%d}: what was chosen since is not fresh")
    if trouble is None and new:
        trouble = _note(cohort / JUDGED, Judgements(judged=(*earlier, *new)))
    if trouble is not None:
        problems.append(trouble)
    head = f"fresh test cohort of seed {drawn.seed}, drawn for weights {visible(drawn.release)}"
    lines = (head, *(f"fresh test cohort: {problem}" for problem in problems))
    return FreshTest(cohort=drawn, is_fresh=not problems, lines=lines)


def _judged(path: Path) -> tuple[tuple[Judgement, ...], str | None]:
    """Earlier judgements, or why they are unknown."""
    if not path.is_file():
        return (), None
    try:
        return Judgements.model_validate(read_json(path)).judged, None
    except (ReadError, ValidationError):
        return (), f"its {JUDGED} cannot be read: whether it was judged before is unknown"


def _note(path: Path, judgements: Judgements) -> str | None:
    """Write the judgements down; why that failed, or None."""
    try:
        write_json(path, judgements.model_dump(mode="json"))
    except OutputError:
        return f"its folder cannot be written, so that this evaluation is not noted in {JUDGED}"
    return None
