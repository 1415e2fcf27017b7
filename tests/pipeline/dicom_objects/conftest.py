"""One example screened with all its DICOM objects."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.bundle.load import Bundle
from pipeline.dicom_objects.config import DicomConfig, DicomObject
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.folder import ScreeningOptions, screen_folder
from tests import EXAMPLES

PATIENT = "SIM0011-00003"
EVERY = DicomConfig(objects=tuple(DicomObject))


@pytest.fixture(scope="session")
def screened(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of results of one example; not to be changed."""
    out = tmp_path_factory.mktemp("screened")
    screen_folder(EXAMPLES / PATIENT, out, bundle, ScreeningOptions(config=ScreeningConfig(dicom=EVERY)))
    return out


@pytest.fixture
def conforms() -> Callable[[Path], None]:
    """Check of a file against its IOD by dciodvfy of Debian's dicom3tools."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("NOT CHECKED against the standard: dciodvfy is missing (apt-get install dicom3tools)")

    def check(path: Path) -> None:
        done = subprocess.run([program, str(path)], capture_output=True, text=True, check=False, timeout=60)
        errors = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]
        assert not errors, errors

    return check
