"""What a server reads does not grow with the worklist: each result once, then only what is asked for."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.review.pages import drawn, open_page

COUNT = 300


@pytest.fixture
def many(results: Path) -> Path:
    """A folder of many results of the same images."""
    paths = sorted((results / "studies").glob("*.json"))
    documents = [json.loads(path.read_text("utf-8")) for path in paths]
    for path in paths:
        path.unlink()
    for number in range(COUNT):
        document = {**documents[number % len(documents)], "study_uid": f"1.2.3.{number}", "patient_id": f"P{number}"}
        (results / "studies" / f"1.2.3.{number}.json").write_text(json.dumps(document), "utf-8")
    return results


@pytest.fixture
def reads(many: Path, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each result was opened, by study."""
    counted: Counter[str] = Counter()
    opened: Callable[..., Any] = io.open

    def counting(file: Any, *arguments: Any, **more: Any) -> Any:
        path = Path(file) if isinstance(file, str | Path) else Path()
        if path.parent == many / "studies":
            counted[path.stem] += 1
        return opened(file, *arguments, **more)

    monkeypatch.setattr(io, "open", counting)
    return counted


def test_a_server_reads_each_result_once_and_then_what_is_asked_for(many: Path, reads: Counter[str]) -> None:
    with open_page(many) as page:
        assert len(reads) == COUNT and set(reads.values()) == {1}
        reads.clear()
        uids = page.uids
        assert len(uids) == COUNT
        assert not reads, "the worklist is not read again"
        study = page.get(f"/api/study/{uids[7]}")
        page.post(f"/api/study/{uids[7]}/corrections", {"views": drawn(study), "seconds": 3})
        page.client.get(f"/api/study/{uids[7]}/AP/image?max=64")
        assert set(reads) == {uids[7]} and reads[uids[7]] <= 4
        reads.clear()
        assert page.client.get("/api/export/rois.csv").text.count("\n") > 8
        page.client.get("/api/export/findings.csv")
        page.get("/api/worklist")
        assert not reads, "exports read what was saved"


def test_saving_adds_one_line_however_many_studies_were_saved(many: Path) -> None:
    with open_page(many) as page:
        path, sizes = many / "review" / "reader.jsonl", []
        for uid in page.uids[:60]:
            page.post(f"/api/study/{uid}/corrections", {"views": {}, "fracture_grades": {"L2": 1}})
            sizes.append(path.stat().st_size)
    added = [after - before for before, after in pairwise(sizes)]
    assert max(added) - min(added) < 20, "a line, no copy of what was there"
