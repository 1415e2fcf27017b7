"""Sending is tried again and again, later each time."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydicom import Dataset
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.sop_class import SecondaryCaptureImageStorage  # type: ignore[attr-defined]

from osteolens.errors import ConfigError
from pipeline.node.config import NodeConfig, ReceiveConfig, SendConfig
from pipeline.node.films import Identity, NodeFolders, keep_film
from pipeline.node.queue import State, StudyQueue
from pipeline.node.sender import Refused, Sender, Unreachable, client_tls, deliver, wait_seconds
from tests.pipeline.node.peers import films, free_port, needs
from tests.pipeline.node.stub import screen


@pytest.fixture
def objects(tmp_path: Path) -> list[Path]:
    films(tmp_path / "films", 0)
    (tmp_path / "results").mkdir()
    screen(tmp_path / "films", tmp_path / "results")
    return list((tmp_path / "results").rglob("*.dcm"))


@pytest.fixture
def receiver() -> Iterator[tuple[int, list[int]]]:
    """A receiver that answers with the statuses of a list, and its port."""
    answers: list[int] = []
    entity, port = ApplicationEntity("PACS"), free_port()
    entity.add_supported_context(SecondaryCaptureImageStorage)
    handlers: list[evt.EventHandlerType] = [(evt.EVT_C_STORE, lambda _: answers.pop(0) if answers else 0)]
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    assert server is not None
    yield port, answers
    server.shutdown()


def test_waits_double_up_to_the_longest() -> None:
    config = SendConfig(first_retry_seconds=1, longest_retry_seconds=60)
    for failures, longest in ((1, 1), (2, 2), (3, 4), (7, 60), (1000, 60)):
        waits = [wait_seconds(failures, config) for _ in range(50)]
        assert longest / 2 <= min(waits) and max(waits) <= longest
        assert max(waits) - min(waits) > longest / 10


def test_an_object_that_is_not_taken_is_told_by_its_status(
    objects: list[Path], receiver: tuple[int, list[int]]
) -> None:
    port, answers = receiver
    config = SendConfig(protocol="c-store", port=port)
    deliver(objects, config, "OSTEOLENS")
    answers.append(0xA700)
    with pytest.raises(Refused, match="0xA700"):
        deliver(objects, config, "OSTEOLENS")
    answers += [0xB000, 0x0111]
    deliver(objects, config, "OSTEOLENS")
    deliver(objects, config, "OSTEOLENS")
    assert not answers


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pynetdicom leaves a refused socket
def test_a_receiver_that_is_down_or_silent_is_unreachable(objects: list[Path]) -> None:
    config = SendConfig(protocol="c-store", port=free_port(), timeout_seconds=1)
    with pytest.raises(Unreachable):
        deliver(objects, config, "OSTEOLENS")
    with pytest.raises(Unreachable):
        deliver(objects, SendConfig(protocol="stow-rs", url=f"http://127.0.0.1:{free_port()}/dicom-web"), "OSTEOLENS")
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unreachable):
        deliver(objects, config.model_copy(update={"port": silent.getsockname()[1]}), "OSTEOLENS")


def made(tmp_path: Path, send: SendConfig) -> tuple[StudyQueue, Sender, Path]:
    """A queue with one study whose results are made."""
    folders = NodeFolders(tmp_path / "node")
    folders.make()
    queue = StudyQueue(folders.queue)
    _, paths = films(tmp_path / "films", 0)
    for path, instance in zip(paths, ("1.2.3.1", "1.2.3.2"), strict=True):
        keep_film(queue, folders, path, Identity("1.2.3", instance), 9)
    claim = queue.claim(State.RECEIVED, 10)
    assert claim is not None
    results = folders.results / claim.study / claim.token
    results.mkdir(parents=True)
    screen(folders.films / claim.study, results)
    assert queue.made(claim)
    config = NodeConfig(folder=folders.root, send=send, receive=ReceiveConfig())
    return queue, Sender(config, queue, folders), results


def send(queue: StudyQueue, sender: Sender) -> float:
    claim = queue.claim(State.MADE, 10)
    assert claim is not None
    return sender(claim)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pynetdicom leaves a refused socket
def test_while_the_receiver_is_down_no_try_of_a_study_is_lost(tmp_path: Path) -> None:
    config = SendConfig(protocol="c-store", port=free_port(), first_retry_seconds=1, longest_retry_seconds=9)
    queue, sender, _ = made(tmp_path, config)
    assert 0.5 <= send(queue, sender) <= 1
    assert 1 <= send(queue, sender) <= 2
    ((_, state, attempts, reason),) = queue.reasons()
    assert (state, attempts, reason) == (State.MADE, 0, "it takes no association")


def test_a_study_that_is_refused_waits_alone(tmp_path: Path, receiver: tuple[int, list[int]]) -> None:
    port, answers = receiver
    answers.append(0xC000)
    queue, sender, _ = made(tmp_path, SendConfig(protocol="c-store", port=port, first_retry_seconds=60))
    assert send(queue, sender) == 0
    assert queue.claim(State.MADE, 10) is None
    assert queue.counters()["refused_by_receiver"] == 1


def test_a_study_whose_objects_are_gone_is_not_sent(tmp_path: Path) -> None:
    queue, sender, results = made(tmp_path, SendConfig(protocol="c-store"))
    for path in results.rglob("*.dcm"):
        path.unlink()
    send(queue, sender)
    assert queue.states()[State.FAILED] == 1


def test_certificates_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"send\.authorities"):
        client_tls(SendConfig(tls=True, authorities=tmp_path / "none.pem"))


class Stow(BaseHTTPRequestHandler):
    """A DICOMweb receiver that gives one answer."""

    code = 200
    failures: tuple[int, ...] = ()
    authorization = ""

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(size)
        type(self).authorization = self.headers.get("Authorization") or ""
        answer = Dataset()
        answer.FailedSOPSequence = [Dataset() for _ in self.failures]
        for item, reason in zip(answer.FailedSOPSequence, self.failures, strict=True):
            item.FailureReason = reason
        body = answer.to_json().encode()
        self.send_response(self.code)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:
        return


@pytest.mark.parametrize(
    ("code", "failures", "error"),
    [
        (200, (), None),
        (202, (0x0111,), None),
        (409, (0x0111,), None),
        (409, (0x0111, 0xA700), Refused),
        (202, (0xA700,), Refused),
        (400, (), Refused),
        (401, (), Unreachable),
        (503, (), Unreachable),
    ],
)
def test_answers_of_stow(
    objects: list[Path], tmp_path: Path, code: int, failures: tuple[int, ...], error: type[Exception] | None
) -> None:
    (tmp_path / "token").write_text("Bearer abc\n")
    handler = type("Handler", (Stow,), {"code": code, "failures": failures})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/dicom-web"
    config = SendConfig(protocol="stow-rs", url=url, authorization_file=tmp_path / "token")
    with nullcontext() if error is None else pytest.raises(error):
        deliver(objects, config, "OSTEOLENS")
    assert handler.authorization == "Bearer abc"  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


@needs("openssl")
def test_results_go_over_tls(objects: list[Path], tmp_path: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=pacs"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "pacs.key", "-out", "pacs.pem"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pacs.pem", tmp_path / "pacs.key")
    entity, port = ApplicationEntity("PACS"), free_port()
    entity.add_supported_context(SecondaryCaptureImageStorage)
    server = entity.start_server(
        ("127.0.0.1", port), block=False, ssl_context=context, evt_handlers=[(evt.EVT_C_STORE, lambda _: 0)]
    )
    assert server is not None
    config = SendConfig(protocol="c-store", port=port, tls=True, authorities=tmp_path / "pacs.pem", timeout_seconds=5)
    deliver(objects, config, "OSTEOLENS")
    server.shutdown()
