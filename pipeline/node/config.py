"""Settings of the node."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from osteolens.config import StrictConfig
from pipeline.dicom_objects.config import DicomConfig, DicomObject
from pipeline.screening.config import ScreeningConfig

Network = IPv4Network | IPv6Network

TITLE = r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$"
"""An AE title: 1 to 16 characters without a backslash, none at the ends a space. Source: DICOM PS3.5 6.2, AE."""


class ReceiveConfig(StrictConfig):
    """What the node takes, and from whom."""

    ae_title: str = Field("OSTEOLENS", pattern=TITLE, description="AE title of the node")
    address: str = Field("127.0.0.1", description="address that the node listens on")
    port: int = Field(11112, ge=1, le=65535, description="port that the node listens on")
    peers: tuple[str, ...] = Field(
        (), description="who may store: AE_TITLE@address or AE_TITLE@network, as 10.1.2.0/24"
    )
    sop_classes: tuple[str, ...] = Field(
        ("ComputedRadiographyImageStorage", "DigitalXRayImageStorageForPresentation"),
        description="keywords of the SOP classes that are taken",
    )
    largest_instance_bytes: int = Field(256 * 2**20, ge=2**10, le=2**31, description="largest instance that is taken")
    most_instances: int = Field(64, ge=1, le=10_000, description="instances of one study that are taken")
    most_connections: int = Field(10, ge=1, le=500, description="connections that are open at once")
    timeout_seconds: float = Field(30.0, ge=0.5, le=600, description="time that a peer may be silent")
    least_free_bytes: int = Field(2**30, ge=0, description="free disk space below which nothing is taken")
    certificate: Path | None = Field(None, description="PEM file of the node's certificate; TLS when given")
    private_key: Path | None = Field(None, description="PEM file of the certificate's key")
    peer_certificates: Path | None = Field(None, description="PEM file of the authorities whose peers may connect")

    @field_validator("peers")
    @classmethod
    def _are_peers(cls, peers: tuple[str, ...]) -> tuple[str, ...]:
        for peer in peers:
            parsed_peer(peer)
        return peers

    @property
    def networks(self) -> tuple[tuple[str, Network], ...]:
        """AE title and network of each peer."""
        return tuple(parsed_peer(peer) for peer in self.peers)

    def may_connect(self, address: str) -> bool:
        """Whether any peer calls from an address."""
        return any(_address(address) in network for _, network in self.networks)

    def may_store(self, title: str, address: str) -> bool:
        """Whether a peer of this AE title calls from an address."""
        return any(title == known and _address(address) in network for known, network in self.networks)


class SendConfig(StrictConfig):
    """Where results go."""

    protocol: Literal["c-store", "stow-rs", "none"] = Field("none", description="how results are sent")
    ae_title: str = Field("PACS", pattern=TITLE, description="AE title of the receiver (C-STORE)")
    address: str = Field("127.0.0.1", description="address of the receiver (C-STORE)")
    port: int = Field(104, ge=1, le=65535, description="port of the receiver (C-STORE)")
    url: str = Field("", description="DICOMweb root of the receiver, as https://pacs/dicom-web (STOW-RS)")
    authorization_file: Path | None = Field(
        None, description="file with the value of the header Authorization (STOW-RS)"
    )
    tls: bool = Field(False, description="whether C-STORE runs over TLS")
    authorities: Path | None = Field(
        None, description="PEM file of the authorities that the receiver is checked against"
    )
    certificate: Path | None = Field(None, description="PEM file of the certificate that the node shows the receiver")
    private_key: Path | None = Field(None, description="PEM file of that certificate's key")
    timeout_seconds: float = Field(30.0, ge=0.5, le=600, description="time that the receiver may take to answer")
    first_retry_seconds: float = Field(
        5.0, ge=0.05, le=3600, description="wait after the first failure; doubles each time"
    )
    longest_retry_seconds: float = Field(900.0, ge=0.05, le=86_400, description="longest wait between two tries")


class RetentionConfig(StrictConfig):
    """How long the node keeps what it holds."""

    films_days: float = Field(7.0, ge=0, le=3650, description="days after sending until received films are deleted")
    results_days: float = Field(30.0, ge=0, le=3650, description="days after sending until results are deleted")
    failed_days: float = Field(90.0, ge=0, le=3650, description="days until all of a study that failed is deleted")
    every_seconds: float = Field(600.0, ge=0.1, le=86_400, description="time between two deletions")


class NodeConfig(StrictConfig):
    """A node that receives, screens and sends."""

    folder: Path = Field(Path("osteolens-node"), description="folder of queue, films and results")
    receive: ReceiveConfig = Field(default_factory=ReceiveConfig, description="what the node takes, and from whom")
    send: SendConfig = Field(default_factory=SendConfig, description="where results go")
    retention: RetentionConfig = Field(default_factory=RetentionConfig, description="how long things are kept")
    screening: ScreeningConfig = Field(
        default_factory=lambda: ScreeningConfig(dicom=DicomConfig(objects=tuple(DicomObject))),
        description="settings of screening",
    )
    weights: Path | None = Field(None, description="folder of weights; the shipped ones when left out")
    workers: int = Field(1, ge=1, le=64, description="processes that screen")
    quiet_seconds: float = Field(
        30.0, ge=0, le=3600, description="time without a new instance after which a study is whole"
    )
    poll_seconds: float = Field(0.5, ge=0.01, le=60, description="time between two looks into the queue")
    lease_seconds: float = Field(
        30.0, ge=0.5, le=3600, description="time after which work of a dead process is taken over"
    )
    study_seconds: float = Field(600.0, ge=1, le=86_400, description="time that screening one study may take")
    attempts: int = Field(5, ge=1, le=1000, description="times that screening of one study is begun before it fails")
    http_address: str = Field("127.0.0.1", description="address of /health and /metrics")
    http_port: int = Field(8105, ge=0, le=65535, description="port of /health and /metrics; 0 for none")


def _address(text: str) -> IPv4Address | IPv6Address:
    """An address; an IPv4 one as such where the system tells it as IPv6, and an IPv6 one without its zone."""
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def parsed_peer(peer: str) -> tuple[str, Network]:
    """AE title and network of a peer.

    Raises:
        ValueError: not AE_TITLE@address or AE_TITLE@network.
    """
    title, separator, address = peer.rpartition("@")
    try:
        network = ip_network(address, strict=False)
    except ValueError:
        separator = ""
    if not separator or not 1 <= len(title) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
        raise ValueError(f"{peer[:60]!r} is no peer; expected AE_TITLE@address, as CR1@10.1.2.3 or CR1@10.1.2.0/24")
    return title, network
