"""C-STORE and C-ECHO for peers on a list; every instance goes straight to the disk.

What a peer sends is counted as it arrives: a PDU, a command and an instance have caps, and the connection of who passes
one is closed. Peers are told by address before a byte is read, and by AE title before an association is made.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import pydicom.uid
from pydicom.uid import UID, JPEGTransferSyntaxes
from pynetdicom import _config, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dul import DULServiceProvider
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from osteolens.errors import ConfigError, OutputError, ReadError
from pipeline.node.config import ReceiveConfig
from pipeline.node.films import NodeFolders, StudyFull, is_uid, keep_film, read_identity
from pipeline.node.process import tell_of_thread
from pipeline.node.queue import StudyQueue
from pipeline.node.server import CappedSocket, ConnectionHandler, NodeServer, is_full, server_tls

log = logging.getLogger(__name__)

MAXIMUM_LENGTH = 2**16
"""PDU length that the node asks for."""

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


class Receiver:
    """The listening node; closing it ends every association."""

    def __init__(self, config: ReceiveConfig, studies: StudyQueue, folders: NodeFolders) -> None:
        """Listen.

        Raises:
            ConfigError: no peers, an unknown SOP class, certificates that cannot be read, or a port that is taken.
        """
        if not config.peers:
            raise ConfigError("setting 'receive.peers' is empty; name who may store, as CR1@10.1.2.3")
        self._config, self._queue, self._folders = config, studies, folders
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
            (evt.EVT_ABORTED, self._aborted),
        ]
        contexts = _contexts(config)
        tls = server_tls(config)
        try:
            self._server = NodeServer(
                entity, (config.address, config.port), config.ae_title, contexts, tls, handlers, ConnectionHandler
            )
        except OSError as error:
            raise ConfigError(
                f"receive.address {config.address}, receive.port {config.port}: cannot listen ({error.strerror}); "
                "choose a free port"
            ) from error
        self._server.receive, self._server.root = config, folders.root
        threading.excepthook = self._thread_ended
        entity._servers.append(self._server)

    def serve(self) -> None:
        """Take connections until `close`."""
        self._server.serve_forever(poll_interval=0.1)

    @property
    def is_full(self) -> bool:
        """Whether the disk is too full to take anything."""
        return is_full(self._config, self._folders.root)

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
        if isinstance(connection, CappedSocket):
            connection.of_message = 0

    def _closed(self, event: Event) -> None:
        _discard(event.assoc)
        if event.assoc.requestor.primitive is None:
            self._refused(event.assoc.requestor.address, "a connection without an association request")

    def _aborted(self, event: Event) -> None:
        _discard(event.assoc)

    def _thread_ended(self, arguments: threading.ExceptHookArgs) -> None:
        """pynetdicom's thread of a connection ends by an error when a peer breaks the protocol; nothing else does."""
        thread = arguments.thread
        if not isinstance(thread, DULServiceProvider):
            tell_of_thread(arguments)
            return
        _discard(thread.assoc)
        waiting = cast("queue.Queue[object]", thread.to_user_queue)
        waiting.put(None)  # wakes who waits for an association request
        self._refused(thread.assoc.requestor.address, f"what breaks the protocol ({arguments.exc_type.__name__})")

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
    """Remove what was received of instances that will not become whole, or that nobody will serve any more. What peers
    that break the protocol leave nevertheless is removed later, as stale."""
    message = association.dimse.message
    unfinished = [None if message is None else message._data_set_file]
    with suppress(queue.Empty):
        while True:
            _, waiting = association.dimse.msg_queue.get_nowait()
            unfinished.append(getattr(waiting, "_dataset_file", None))
    for file in unfinished:
        if file is not None:
            file.close()
            Path(file.name).unlink(missing_ok=True)


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
