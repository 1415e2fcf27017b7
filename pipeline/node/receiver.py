"""C-STORE and C-ECHO for peers on a list; every instance goes straight to the disk.

What a peer sends is counted as it arrives: a PDU, a command and an instance have caps, and the connection of who passes
one is closed. Peers are told by address before a byte is read, and by AE title before an association is made.
"""

from __future__ import annotations

import logging
import shutil
import socket
import sqlite3
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pydicom.uid
from pydicom.uid import UID, JPEGTransferSyntaxes
from pynetdicom import _config, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from osteolens.errors import ConfigError, OutputError, ReadError
from pipeline.node.config import ReceiveConfig
from pipeline.node.films import NodeFolders, StudyFull, is_uid, keep_film, read_identity
from pipeline.node.queue import StudyQueue

log = logging.getLogger(__name__)

LARGEST_PDU = 2**20
"""Bytes of one PDU; the node asks for 2**16 at most, and an association request has a few thousand."""

LARGEST_COMMAND = 2**18
"""Bytes of a command, and of the data set of any message but C-STORE."""

MAXIMUM_LENGTH = 2**16
"""PDU length that the node asks for."""

BETWEEN_CHECKS = 4 * 2**20
"""Bytes of an instance between two looks at the free disk space."""

A_ABORT = b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00"
"""A-ABORT PDU of the service provider, without a reason. Source: DICOM PS3.8 9.3.8."""

SUCCESS, OUT_OF_RESOURCES, NOT_AS_NAMED, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xA900, 0xC000
"""Status of a C-STORE response. Source: DICOM PS3.4 B.2.3."""

TRANSFER_SYNTAXES = (
    pydicom.uid.ExplicitVRLittleEndian,
    pydicom.uid.ImplicitVRLittleEndian,
    *JPEGTransferSyntaxes,
    *pydicom.uid.JPEGLSTransferSyntaxes,
    *pydicom.uid.JPEG2000TransferSyntaxes,
    pydicom.uid.RLELossless,
)
"""What is taken; not deflated data sets, whose header cannot be read without unpacking them."""


class _Socket(AssociationSocket):
    """A socket that counts what arrives and ends the association when a cap is passed."""

    receive: ReceiveConfig
    root: Path
    of_message: int = 0
    """Bytes of the message that is arriving."""

    def recv(self, nr_bytes: int) -> bytearray:
        """Bytes of the peer.

        Raises:
            OSError: a PDU, a message or an instance is beyond its cap, or the disk is nearly full.
        """
        message = self.assoc.dimse.message
        is_instance = message is not None and message._data_set_file is not None
        most = self.receive.largest_instance_bytes if is_instance else LARGEST_COMMAND
        before, self.of_message = self.of_message, self.of_message + nr_bytes
        if nr_bytes > LARGEST_PDU:
            self._refuse("a PDU beyond its largest size")
        if self.of_message > most + LARGEST_PDU:
            self._refuse(f"{'an instance' if is_instance else 'a message'} beyond its largest size")
        if before // BETWEEN_CHECKS != self.of_message // BETWEEN_CHECKS and is_full(self.receive, self.root):
            self._refuse("an instance; the disk is nearly full")
        return super().recv(nr_bytes)

    def _refuse(self, what: str) -> None:
        log.warning("refused: %s, from %s", what, self.assoc.requestor.address)
        self.send(A_ABORT)
        raise OSError(what)


def is_full(config: ReceiveConfig, root: Path) -> bool:
    """Whether less disk space is free than must be."""
    return shutil.disk_usage(root).free < config.least_free_bytes


class _Handler(RequestHandler):
    """Makes the association of a connection, after its TLS handshake."""

    server: _Server

    def _create_association(self) -> Association:
        connection = cast(socket.socket, self.request)
        connection.settimeout(self.ae.network_timeout)
        if isinstance(connection, ssl.SSLSocket):
            connection.do_handshake()
        association = super()._create_association()
        association.dul.event_queue.get_nowait()  # the socket that is replaced has told of the connection
        capped = _Socket(association, client_socket=connection)
        capped.receive, capped.root = self.server.receive, self.server.root
        association.dul.socket = capped
        return association


class _Server(ThreadedAssociationServer):
    """A server that closes connections of strangers, and those beyond the number that is allowed, unread."""

    receive: ReceiveConfig
    root: Path
    daemon_threads = True

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """A connection, its TLS handshake still to be made, so that a slow one holds nobody up."""
        listening = cast(socket.socket, self.socket)
        connection, address = listening.accept()
        if self.ssl_context is not None:
            connection = self.ssl_context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def verify_request(self, request: object, client_address: tuple[str, int]) -> bool:
        """Whether the address is of a peer and there is room for one more."""
        if not self.receive.may_connect(client_address[0]):
            log.warning("refused: a connection from %s, which is no peer's address", client_address[0])
            return False
        if len(self.active_associations) >= self.receive.most_connections:
            log.warning("refused: a connection from %s; %d are open", client_address[0], self.receive.most_connections)
            return False
        return True

    def handle_error(self, request: object, client_address: tuple[str, int]) -> None:
        """A connection that ended before its association began; what it sent is not told."""
        log.warning("refused: a connection from %s that ended before its association began", client_address[0])


class Receiver:
    """The listening node; closing it ends every association."""

    def __init__(self, config: ReceiveConfig, queue: StudyQueue, folders: NodeFolders) -> None:
        """Listen.

        Raises:
            ConfigError: no peers, an unknown SOP class, certificates that cannot be read, or a port that is taken.
        """
        if not config.peers:
            raise ConfigError("setting 'receive.peers' is empty; name who may store, as CR1@10.1.2.3")
        self._config, self._queue, self._folders = config, queue, folders
        _config.STORE_RECV_CHUNKED_DATASET = True
        tempfile.tempdir = str(folders.incoming)  # where pynetdicom writes what arrives
        entity = ApplicationEntity(config.ae_title)
        entity.require_called_aet = True
        entity.require_calling_aet = sorted({title for title, _ in config.networks})
        entity.maximum_associations = config.most_connections
        entity.maximum_pdu_size = MAXIMUM_LENGTH
        entity.network_timeout = entity.acse_timeout = entity.dimse_timeout = config.timeout_seconds
        handlers: list[evt.EventHandlerType] = [
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_REJECTED, self._rejected),
            (evt.EVT_DIMSE_RECV, self._whole),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_ECHO, self._echo),
            (evt.EVT_CONN_CLOSE, self._closed),
        ]
        contexts = _contexts(config)
        tls = server_tls(config)
        try:
            self._server = _Server(
                entity, (config.address, config.port), config.ae_title, contexts, tls, handlers, _Handler
            )
        except OSError as error:
            raise ConfigError(
                f"receive.address {config.address}, receive.port {config.port}: cannot listen ({error.strerror}); "
                "choose a free port"
            ) from error
        self._server.receive, self._server.root = config, folders.root
        entity._servers.append(self._server)

    def serve(self) -> None:
        """Take connections until `close`."""
        self._server.serve_forever(poll_interval=0.1)

    def close(self) -> None:
        """Take no more connections and end those that are open."""
        self._server.shutdown()
        for association in self._server.active_associations:
            association.abort()

    def _requested(self, event: Event) -> None:
        """Reject a peer whose AE title calls from another address than its own."""
        association = event.assoc
        request, address = association.requestor.primitive, association.requestor.address
        title = str(getattr(request, "calling_ae_title", "")).strip()
        if not self._config.may_store(title, address):
            association.acse.send_reject(0x01, 0x01, 0x03)
            association.kill()
            self._refused(address, "an AE title that is no peer's at this address")

    def _rejected(self, event: Event) -> None:
        self._refused(event.assoc.requestor.address, "an association for another AE title, or beyond those allowed")

    def _refused(self, address: str | None, what: str) -> None:
        log.warning("refused: %s, from %s", what, address or "an unknown address")
        with counted():
            self._queue.count("refused_associations")

    def _whole(self, event: Event) -> None:
        """A message is whole; the next one is counted anew."""
        connection = event.assoc.dul.socket
        if isinstance(connection, _Socket):
            connection.of_message = 0

    def _closed(self, event: Event) -> None:
        _discard(event.assoc)
        if event.assoc.requestor.primitive is None:
            self._refused(event.assoc.requestor.address, "a connection without an association request")

    def _echo(self, event: Event) -> int:
        return SUCCESS

    def _store(self, event: Event) -> int:
        """Keep one instance; success is said when it lies on the disk and in the queue."""
        path, request = event.dataset_path, cast(C_STORE, event.request)
        sop_class, sop_instance = str(request.AffectedSOPClassUID or ""), str(request.AffectedSOPInstanceUID or "")
        try:
            if is_full(self._config, self._folders.root):
                return self._not_taken(OUT_OF_RESOURCES, "the disk is nearly full")
            if not is_uid(sop_instance) or not is_uid(sop_class):
                return self._not_taken(NOT_UNDERSTOOD, "a UID has no valid form")
            identity = read_identity(path, sop_class, sop_instance)
            study = keep_film(self._queue, self._folders, path, identity, self._config.most_instances)
            self._queue.count("received_instances")
        except StudyFull:
            return self._not_taken(OUT_OF_RESOURCES, "its study has as many instances as are taken")
        except ReadError as error:
            return self._not_taken(NOT_AS_NAMED if "another object" in str(error) else NOT_UNDERSTOOD, str(error))
        except (OSError, sqlite3.Error, OutputError) as error:
            return self._not_taken(OUT_OF_RESOURCES, f"it cannot be written ({type(error).__name__})")
        log.info("received an instance of study %s", study)
        return SUCCESS

    def _not_taken(self, status: int, reason: str) -> int:
        log.warning("refused: an instance; %s", reason)
        with counted():
            self._queue.count("refused_instances")
        return status


@contextmanager
def counted() -> Iterator[None]:
    """A counter that cannot be written, as on a full disk, stops nothing."""
    try:
        yield
    except sqlite3.Error as error:
        log.warning("a counter cannot be written (%s)", type(error).__name__)


def _discard(association: Association) -> None:
    """Remove what was received of an instance that will not become whole."""
    message = association.dimse.message
    unfinished = None if message is None else message._data_set_file
    if unfinished is not None:
        unfinished.close()
        Path(unfinished.name).unlink(missing_ok=True)


def _contexts(config: ReceiveConfig) -> list[PresentationContext]:
    contexts = [build_context(Verification)]
    for keyword in config.sop_classes:
        uid = getattr(pydicom.uid, keyword, None)
        if not isinstance(uid, UID) or uid.type != "SOP Class":
            raise ConfigError(
                f"setting 'receive.sop_classes' names {keyword[:60]!r}, which is no SOP class; expected keywords as "
                "DigitalXRayImageStorageForPresentation"
            )
        contexts.append(build_context(uid, [str(syntax) for syntax in TRANSFER_SYNTAXES]))
    return contexts


def server_tls(config: ReceiveConfig) -> ssl.SSLContext | None:
    """TLS of the node, where a certificate is set; peers show one of theirs where authorities are set.

    Raises:
        ConfigError: a file cannot be read, or is no certificate or key.
    """
    if config.certificate is None:
        return None
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(config.certificate, config.private_key)
        if config.peer_certificates is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(config.peer_certificates)
    except (OSError, ValueError) as error:
        raise ConfigError(f"receive.certificate, private_key or peer_certificates: cannot be used ({error})") from error
    return context
