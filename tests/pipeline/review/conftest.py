"""The six examples, screened once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.bundle.load import Bundle
from pipeline.screening.folder import screen_folder
from tests import EXAMPLES


@pytest.fixture(scope="session")
def screened(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Path:
    """Results of the examples; do not change them."""
    out = tmp_path_factory.mktemp("screened")
    screen_folder(EXAMPLES, out, bundle)
    return out


@pytest.fixture
def results(screened: Path, tmp_path: Path) -> Path:
    """Results of the examples that a test may change."""
    return Path(shutil.copytree(screened, tmp_path / "out"))
