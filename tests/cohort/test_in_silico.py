"""Seeds that weights give."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from cohort.in_silico import fresh_for, fresh_seed, read_fresh_for

HASHES = {"detector": "ab" * 8, "classifier": "cd" * 8}


def test_the_seed_is_the_start_of_a_digest_of_the_files() -> None:
    text = f"classifier {'cd' * 8}\ndetector {'ab' * 8}\n"
    assert fresh_seed(HASHES) == int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
    assert fresh_seed(dict(reversed(HASHES.items()))) == fresh_seed(HASHES)
    assert fresh_seed({**HASHES, "detector": "ac" * 8}) != fresh_seed(HASHES)


def test_only_a_plan_of_the_same_seed_is_fresh(tmp_path: Path) -> None:
    drawn = fresh_for("one", HASHES)
    plan = {"seed": drawn.seed, "fresh_for": drawn.model_dump()}
    for document, expected in (
        (plan, drawn),
        ({**plan, "seed": 1}, None),
        ({"seed": 1}, None),
        ({**plan, "fresh_for": {"seed": -1}}, None),
        ([], None),
    ):
        (tmp_path / "simulation.json").write_text(json.dumps(document))
        assert read_fresh_for(tmp_path) == expected
    assert read_fresh_for(tmp_path / "absent") is None


def test_a_chosen_seed_is_told_from_a_derived_one() -> None:
    drawn = fresh_for("one", HASHES)
    assert drawn.derives and not drawn.model_copy(update={"seed": 7}).derives
