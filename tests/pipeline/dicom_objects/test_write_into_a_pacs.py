"""A PACS takes the objects with the films that they come from, and finds them by their study."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pydicom

from tests import EXAMPLES
from tests.pipeline.node.peers import needs, orthanc


@needs("Orthanc", "storescu")
def test_orthanc_stores_and_finds_them(screened: Path, tmp_path: Path) -> None:
    objects = sorted((screened / "dicom").glob("*.dcm"))
    films = sorted((EXAMPLES / "SIM0011-00003").glob("*.dcm"))
    study = str(pydicom.dcmread(films[0], stop_before_pixels=True).StudyInstanceUID)
    with orthanc(tmp_path / "pacs") as pacs:
        for options, paths in ((["-xt"], films), ([], objects)):
            command = ["storescu", *options, "127.0.0.1", str(pacs.dicom_port), *map(str, paths)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
            assert done.returncode == 0, done.stderr
        found = pacs.found(study)
    assert {modality: len(uids) for modality, uids in found.items()} == {"DX": 2, "SR": 1, "OT": 2, "PR": 2}
    sent = {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in objects}
    assert sent <= {uid for uids in found.values() for uid in uids}
