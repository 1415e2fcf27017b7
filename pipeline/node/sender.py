"""The process that sends results, again and again until the receiver has taken them."""

from __future__ import annotations

import logging
import random
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from osteolens.errors import ConfigError, OsteoLensError, ReadError
from pipeline.node.config import NodeConfig, SendConfig
from pipeline.node.films import NodeFolders
from pipeline.node.process import held, without_identifiers, work_through
from pipeline.node.queue import Claim, State, StudyQueue

if TYPE_CHECKING:
    import requests
    from pydicom import Dataset

log = logging.getLogger(__name__)

DUPLICATE = 0x0111
"""The receiver has an object of this UID. Source: DICOM PS3.7 C.5.5."""

TAKEN = (0x0000, 0xB000, 0xB006, 0xB007, DUPLICATE)
"""Status of a C-STORE response after which the receiver has the object. Source: DICOM PS3.4 B.2.3."""


class Unreachable(OsteoLensError):
    """The receiver cannot be spoken to; no study can be sent."""


class Refused(OsteoLensError):
    """The receiver did not take an object; other studies can be sent."""


def send_results(config: NodeConfig, level: int) -> None:
    """Send what is made, until a signal or the end of the parent process.

    Args:
        config: of the node.
        level: of the log.
    """
    folders = NodeFolders(config.folder)
    with without_identifiers(level):
        queue = StudyQueue(folders.queue)
        sender = Sender(config, queue, folders)
        work_through(lambda: queue.claim(State.MADE, config.lease_seconds), sender, config.poll_seconds)


def wait_seconds(failures: int, config: SendConfig) -> float:
    """Wait before the next try: doubles with each failure, up to the longest, less up to a half at random, so that
    nodes do not come back all at once.

    Args:
        failures: in a row.
        config: first and longest wait.
    """
    longest = min(config.longest_retry_seconds, config.first_retry_seconds * 2.0 ** min(failures - 1, 60))
    return longest * random.uniform(0.5, 1.0)


class Sender:
    """Sends one study after another, and waits longer each time the receiver cannot be reached."""

    def __init__(self, config: NodeConfig, queue: StudyQueue, folders: NodeFolders) -> None:
        self._config, self._queue, self._folders = config, queue, folders
        self._unreachable = 0

    def __call__(self, claim: Claim) -> float:
        """Send a study; seconds to wait before the next."""
        objects = sorted((self._folders.results / claim.study / claim.results).rglob("*.dcm"))
        config = self._config.send
        if not objects and config.protocol != "none":
            self._queue.failed(claim, "its objects are gone from the results")
            log.error("study %s failed: its objects are gone from the results", claim.study)
            return 0.0
        try:
            with held(self._queue, claim, self._config.lease_seconds, self._config.study_seconds):
                deliver(objects, config, self._config.receive.ae_title)
        except Unreachable as error:
            self._unreachable += 1
            wait = wait_seconds(self._unreachable, config)
            self._queue.put_back(claim, State.MADE, str(error), 0.0, began=False)
            self._queue.count("unreachable")
            log.warning("the receiver cannot be reached (%s); next try in %.1f s", error, wait)
            return wait
        except (Refused, OSError) as error:
            self._unreachable = 0
            wait = wait_seconds(claim.attempts, config)
            reason = str(error) if isinstance(error, Refused) else "its objects cannot be read"
            self._queue.put_back(claim, State.MADE, reason, wait)
            self._queue.count("refused_by_receiver")
            log.warning("study %s is not sent (%s); next try in %.1f s", claim.study, reason, wait)
            return 0.0
        self._unreachable = 0
        if self._queue.sent(claim):
            self._queue.count("sent_objects", len(objects))
            log.info("study %s is sent, %d objects", claim.study, len(objects))
        return 0.0


def deliver(objects: list[Path], config: SendConfig, ae_title: str) -> None:
    """Give DICOM files to the receiver; those that it has already are given again under the same UIDs.

    Args:
        objects: files.
        config: the receiver.
        ae_title: of the node.

    Raises:
        Unreachable: it cannot be spoken to.
        Refused: it did not take one.
    """
    if config.protocol == "c-store" and objects:
        _c_store(objects, config, ae_title)
    elif config.protocol == "stow-rs" and objects:
        _stow(objects, config)


def _c_store(objects: list[Path], config: SendConfig, ae_title: str) -> None:
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
    from pynetdicom.ae import ApplicationEntity
    from pynetdicom.presentation import build_context

    entity = ApplicationEntity(ae_title)
    entity.connection_timeout = entity.network_timeout = config.timeout_seconds
    entity.acse_timeout = entity.dimse_timeout = config.timeout_seconds
    offered = set()
    for path in objects:
        meta = pydicom.filereader.read_file_meta_info(path)
        offered.add((str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)))
    contexts = [
        build_context(kind, list(dict.fromkeys((syntax, ExplicitVRLittleEndian, ImplicitVRLittleEndian))))
        for kind, syntax in sorted(offered)
    ]
    tls = client_tls(config)
    association = entity.associate(
        config.address,
        config.port,
        contexts=contexts,
        ae_title=config.ae_title,
        tls_args=None if tls is None else (tls, config.address),
    )
    if not association.is_established:
        raise Unreachable("it takes no association")
    try:
        for path in objects:
            try:
                status = association.send_c_store(path)
            except ValueError as error:
                raise Refused("it takes no object of this kind") from error
            except RuntimeError as error:
                raise Unreachable("the association ended") from error
            if "Status" not in status:
                raise Unreachable("it gave no answer")
            if status.Status not in TAKEN:
                raise Refused(f"status 0x{status.Status:04X}")
    finally:
        association.release()


def client_tls(config: SendConfig) -> ssl.SSLContext | None:
    """TLS towards the receiver, where it is asked for.

    Raises:
        ConfigError: a file cannot be read, or is no certificate or key.
    """
    if not config.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=config.authorities)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if config.certificate is not None:
            context.load_cert_chain(config.certificate, config.private_key)
    except (OSError, ValueError) as error:
        raise ConfigError(f"send.authorities, certificate or private_key: cannot be used ({error})") from error
    return context


def _stow(objects: list[Path], config: SendConfig) -> None:
    import pydicom
    import requests
    from dicomweb_client.web import DICOMwebClient

    session = requests.Session()
    session.verify = True if config.authorities is None else str(config.authorities)
    if config.certificate is not None:
        key = config.private_key or config.certificate
        session.cert = str(config.certificate), str(key)
    if config.authorization_file is not None:
        session.headers["Authorization"] = authorization(config.authorization_file)
    client = DICOMwebClient(config.url, session, timeout=config.timeout_seconds)
    client.set_http_retry_params(retry=False)
    try:
        answer = client.store_instances([pydicom.dcmread(path) for path in objects])
    except requests.HTTPError as error:
        code = 0 if error.response is None else error.response.status_code
        if error.response is not None and code == requests.codes.conflict and _has_all(error.response):
            return
        raise (Unreachable if code in (401, 403, 502, 503, 504) else Refused)(f"HTTP status {code}") from error
    except (requests.RequestException, OSError) as error:
        raise Unreachable(type(error).__name__) from error
    except ValueError as error:
        raise Refused("its answer cannot be read") from error
    finally:
        session.close()
    if _failed(answer):
        raise Refused("the answer names objects that were not stored")


def _failed(answer: Dataset | None) -> bool:
    """Whether an answer names objects that the receiver has not."""
    items = [] if answer is None else answer.get("FailedSOPSequence") or []
    return any(item.get("FailureReason") != DUPLICATE for item in items)


def _has_all(response: requests.Response) -> bool:
    """Whether the receiver took nothing because it has every object."""
    from pydicom import Dataset

    try:
        answer = Dataset.from_json(response.text)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return bool(answer.get("FailedSOPSequence")) and not _failed(answer)


def authorization(path: Path) -> str:
    """Value of the header Authorization.

    Raises:
        ReadError: the file cannot be read.
    """
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError("send.authorization_file cannot be read; expected a line as `Bearer ...`") from error
