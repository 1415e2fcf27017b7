from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture
def cohort(examples: Path) -> Path:
    """The examples with two readers: one draws the truth, the other half a pixel further left."""
    table = pd.read_csv(examples / "rois.csv")
    other = table.copy()
    other[["x0", "x1"]] -= 0.5
    pd.concat([table.assign(reader="a"), other.assign(reader="b")]).to_csv(examples / "readers.csv", index=False)
    return examples
