"""Real peers on loopback: Orthanc and dcmtk of Debian, and a node in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest
import yaml
from pydicom.uid import ExplicitVRLittleEndian

from tests import EXAMPLES, ROOT

DICOMWEB_PLUGINS = ("/usr/share/orthanc/plugins/libOrthancDicomWeb.so", "/usr/lib/orthanc/libOrthancDicomWeb.so")


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip, loudly, where Debian's packages are missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(
        bool(missing),
        reason=f"NOT TESTED: {', '.join(missing)} missing; apt-get install dcmtk orthanc orthanc-dicomweb",
    )


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def wait_for(reached: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until something holds, longer on a machine that has other work; the seconds that it took."""
    begun = time.monotonic()
    while not reached():
        busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        assert time.monotonic() - begun < seconds * busy, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - begun


def is_open(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


@dataclass(slots=True)
class Orthanc:
    """An empty PACS that can be stopped and started again."""

    folder: Path
    dicom_port: int
    http_port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        plugins = [path for path in DICOMWEB_PLUGINS if Path(path).is_file()][:1]
        settings = {
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "DicomPort": self.dicom_port,
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomCheckCalledAet": False,
            "Plugins": plugins,
        }
        self.folder.mkdir(exist_ok=True)
        (self.folder / "orthanc.json").write_text(json.dumps(settings))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(["Orthanc", str(self.folder / "orthanc.json")], stdout=log, stderr=log)
        wait_for(lambda: is_open(self.http_port) and is_open(self.dicom_port), 30, "Orthanc listens")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def get(self, path: str) -> object:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else []

    def found(self, study_uid: str) -> dict[str, list[str]]:
        """SOP instance UIDs of a study by modality, found by QIDO-RS."""
        try:
            instances = self.get(f"/dicom-web/studies/{study_uid}/instances?includefield=00080060")
        except urllib.error.HTTPError:
            return {}
        assert isinstance(instances, list)
        by_modality: dict[str, list[str]] = {}
        for instance in instances:
            modality = instance.get("00080060", {}).get("Value", ["?"])[0]
            by_modality.setdefault(modality, []).append(instance["00080018"]["Value"][0])
        return by_modality


@contextmanager
def orthanc(folder: Path) -> Iterator[Orthanc]:
    pacs = Orthanc(folder, free_port(), free_port())
    pacs.start()
    try:
        yield pacs
    finally:
        pacs.stop()


@dataclass(slots=True)
class Node:
    """A node that can be killed and started again."""

    folder: Path
    port: int
    http_port: int
    load: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text("utf-8") if path.is_file() else ""

    def start(self) -> None:
        code = (
            "import logging; from pathlib import Path; from osteolens.config import load_config;"
            "from pipeline.node.config import NodeConfig; from pipeline.node.run import run_node;"
            f"from {self.load.rpartition('.')[0]} import {self.load.rpartition('.')[2]} as load;"
            f"run_node(load_config(NodeConfig, Path({str(self.folder / 'node.yaml')!r})), logging.DEBUG, load)"
        )
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code], stdout=log, stderr=log, cwd=ROOT, env=environment
            )
        wait_for(lambda: is_open(self.port), 60, f"the node listens; {self.log[-2000:]}")

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """End it by SIGTERM; its exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(60)
        self.process = None
        return code

    def health(self) -> tuple[int, dict[str, object]]:
        """Status and answer of /health."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/health", timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def states(self) -> dict[str, int]:
        studies = self.health()[1]["studies"]
        assert isinstance(studies, dict)
        return studies

    def store(self, paths: Sequence[Path], title: str = "CR1", called: str = "OSTEOLENS") -> int:
        """Exit code of storescu."""
        command = ["storescu", "-aet", title, "-aec", called, "-to", "5", "127.0.0.1", str(self.port), *map(str, paths)]
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode


def children_of(pid: int) -> list[int]:
    """Processes that a process started, but for Python's own."""
    below = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    lines = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in below}
    return [int(child) for child, line in lines.items() if b"resource_tracker" not in line]


REAL = "pipeline.node.worker.screening"
STUB = "tests.pipeline.node.stub.screening"


@contextmanager
def node(place: Path, pacs: Orthanc | None = None, load: str = STUB, /, **settings: object) -> Iterator[Node]:
    """A node with short times; settings by dotted key replace these."""
    place.mkdir(exist_ok=True)
    running = Node(place, free_port(), free_port(), load)
    values: dict[str, object] = {
        "folder": str(place / "node"),
        "quiet_seconds": 1.0,
        "poll_seconds": 0.05,
        "lease_seconds": 2.0,
        "http_port": running.http_port,
        "screening.threads": 1,
        "receive.port": running.port,
        "receive.peers": ["CR1@127.0.0.1"],
        "receive.least_free_bytes": 0,
        "receive.timeout_seconds": 5.0,
        "send.protocol": "none" if pacs is None else "c-store",
        "send.port": 104 if pacs is None else pacs.dicom_port,
        "send.first_retry_seconds": 0.2,
        "send.longest_retry_seconds": 1.0,
        **{key.replace("__", "."): value for key, value in settings.items()},
    }
    (place / "node.yaml").write_text(yaml.safe_dump(values))
    running.start()
    try:
        yield running
    finally:
        running.kill()


def films(folder: Path, number: int, example: str = "SIM0011-00002") -> tuple[str, list[Path]]:
    """Two films of a study of its own, uncompressed, with a name that no log may hold."""
    folder.mkdir(parents=True, exist_ok=True)
    study_uid, paths = f"1.2.826.0.1.3680043.10.999.{number + 1}", []
    for k, name in enumerate(("AP", "LATERAL"), start=1):
        dataset = pydicom.dcmread(EXAMPLES / example / f"{name}.dcm")
        dataset.decompress()
        dataset.StudyInstanceUID, dataset.SOPInstanceUID = study_uid, f"{study_uid}.{k}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.PatientID, dataset.PatientName = f"SECRET{number}", "SECRETNAME^ANNA"
        paths.append(folder / f"{number}_{name}.dcm")
        dataset.save_as(paths[-1])
    return study_uid, paths
