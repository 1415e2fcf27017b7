"""Connections of the node's server: what they may send is capped, and who they are is checked, before it is read."""

from __future__ import annotations

import logging
import shutil
import socket
import ssl
from pathlib import Path
from typing import cast

from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from osteolens.errors import ConfigError
from pipeline.node.config import ReceiveConfig

log = logging.getLogger(__name__)

LARGEST_PDU = 2**20
"""Bytes of one PDU; the node asks for 2**16 at most, and an association request has a few thousand."""

LARGEST_COMMAND = 2**18
"""Bytes of a command, and of the data set of any message but C-STORE."""

BETWEEN_CHECKS = 4 * 2**20
"""Bytes of an instance between two looks at the free disk space."""

A_ABORT = b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00"
"""A-ABORT PDU of the service provider, without a reason. Source: DICOM PS3.8 9.3.8."""


class CappedSocket(AssociationSocket):
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


class ConnectionHandler(RequestHandler):
    """Makes the association of a connection, after its TLS handshake."""

    server: NodeServer

    def _create_association(self) -> Association:
        connection = cast(socket.socket, self.request)
        connection.settimeout(self.ae.network_timeout)
        if isinstance(connection, ssl.SSLSocket):
            connection.do_handshake()
        association = super()._create_association()
        association.dul.event_queue.get_nowait()  # the socket that is replaced has told of the connection
        capped = CappedSocket(association, client_socket=connection)
        capped.receive, capped.root = self.server.receive, self.server.root
        association.dul.socket = capped
        return association


class NodeServer(ThreadedAssociationServer):
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
