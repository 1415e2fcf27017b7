"""What strangers and hostile peers send is refused, and logged without identifiers."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from tests.pipeline.node.peers import Node, films, needs, node, wait_for

pytestmark = [needs("storescu", "echoscu"), pytest.mark.slow]

LARGEST = 2 * 2**20


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    settings = {"receive__largest_instance_bytes": LARGEST, "receive__timeout_seconds": 2.0}
    with node(tmp_path_factory.mktemp("receiver") / "n", **settings) as node_:
        yield node_


def echo(running: Node, title: str = "CR1", called: str = "OSTEOLENS", *options: str) -> str:
    command = ["echoscu", *options, "-aet", title, "-aec", called, "127.0.0.1", str(running.port)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, text=True)
    return "" if done.returncode == 0 else done.stderr


def kept(running: Node) -> list[str]:
    return [path.name for path in (running.folder / "node").rglob("*.dcm")]


def test_a_peer_is_answered(running: Node) -> None:
    assert echo(running) == ""


def test_an_unknown_ae_title_is_rejected(running: Node) -> None:
    assert "Calling AE Title Not Recognized" in echo(running, title="SECRETDOE")
    assert "Called AE Title Not Recognized" in echo(running, called="OTHER")
    assert "an AE title that is no peer's" in running.log and "SECRET" not in running.log


@pytest.mark.parametrize(
    "junk",
    [
        os.urandom(3000),
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x01\x00\xff\xff\xff\xff" + b"a" * 100,
        b"\x01\x00\x00\x00\x00\x10" + os.urandom(16),
        b"\x04\x00\x00\x00\x00\x10" + os.urandom(16),
        b"\x01\x00\x00\x00\x00\xff" + b"half",
    ],
    ids=["noise", "http", "a PDU of 4 GB", "a broken request", "data without association", "half a PDU"],
)
def test_a_malformed_association_is_ended(running: Node, junk: bytes) -> None:
    with socket.create_connection(("127.0.0.1", running.port)) as caller:
        caller.settimeout(10)
        caller.sendall(junk)
        answer = caller.recv(1)
        assert answer in (b"", b"\x07"), "ended, or aborted"
    assert echo(running) == ""


def test_an_instance_beyond_its_largest_size_is_refused_while_it_arrives(running: Node, tmp_path: Path) -> None:
    _, paths = films(tmp_path, 1)
    large = pydicom.dcmread(paths[0])
    times = 1 + 3 * LARGEST // len(large.PixelData)
    large.Rows, large.PixelData = large.Rows * times, large.PixelData * times
    large.save_as(paths[0])
    before = kept(running)
    assert running.store(paths[:1]) != 0
    wait_for(lambda: kept(running) == before, 10, "nothing of it is left")
    assert "an instance beyond its largest size" in running.log
    assert echo(running) == ""


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SOPInstanceUID"])
def test_a_path_in_a_uid_is_refused(running: Node, tmp_path: Path, keyword: str) -> None:
    _, paths = films(tmp_path, 2)
    dataset = pydicom.dcmread(paths[0])
    with pytest.warns(UserWarning, match="Invalid value"):
        setattr(dataset, keyword, "../../SECRETPATH")
    if keyword == "SOPInstanceUID":
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(paths[0])
    before = kept(running)
    assert running.store(paths[:1]) != 0
    assert kept(running) == before
    assert "a UID" in running.log and "SECRET" not in running.log
    assert not list(running.folder.parent.rglob("*SECRETPATH*"))


def test_another_sop_class_is_not_taken(running: Node, tmp_path: Path) -> None:
    _, paths = films(tmp_path, 3)
    dataset = pydicom.dcmread(paths[0])
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    dataset.save_as(paths[0])
    before = kept(running)
    assert running.store(paths[:1]) != 0
    assert kept(running) == before


def test_connections_beyond_those_allowed_are_closed(tmp_path: Path) -> None:
    with node(tmp_path / "n", receive__most_connections=2, receive__timeout_seconds=3.0) as running:
        callers = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(2)]
        wait_for(lambda: echo(running) != "", 5, "the third is closed")
        wait_for(lambda: echo(running) == "", 20, "silent ones are closed")
        for caller in callers:
            caller.close()


def test_a_full_disk_takes_nothing_and_says_so(tmp_path: Path) -> None:
    with node(tmp_path / "n", receive__least_free_bytes=2**60) as running:
        _, paths = films(tmp_path, 4)
        assert running.store(paths) != 0
        assert "the disk is nearly full" in running.log
        assert not kept(running)


@needs("openssl")
def test_with_tls_only_who_shows_a_certificate_is_answered(tmp_path: Path) -> None:
    for name in ("node", "peer"):
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    certificates = {
        "receive__certificate": str(tmp_path / "node.pem"),
        "receive__private_key": str(tmp_path / "node.key"),
        "receive__peer_certificates": str(tmp_path / "peer.pem"),
    }
    with node(tmp_path / "n", **certificates) as running:
        own = ["+tls", str(tmp_path / "peer.key"), str(tmp_path / "peer.pem"), "+cf", str(tmp_path / "node.pem")]
        assert echo(running, "CR1", "OSTEOLENS", *own) == ""
        assert echo(running) != ""
        assert echo(running, "CR1", "OSTEOLENS", "+tla", "-ic") != ""
        with socket.create_connection(("127.0.0.1", running.port)):
            assert echo(running, "CR1", "OSTEOLENS", *own) == "", "a handshake that never comes holds nobody up"
