"""Settings of the node are checked before anything is received."""

from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError

from osteolens.config import load_config
from osteolens.errors import ConfigError
from pipeline.node.config import NodeConfig, ReceiveConfig
from tests import ROOT


def test_a_peer_is_known_by_title_and_address() -> None:
    config = ReceiveConfig(peers=("CR1@10.1.2.3", "DX ROOM 2@10.9.0.0/16", "V6@::1"))
    assert config.may_store("CR1", "10.1.2.3") and config.may_store("DX ROOM 2", "10.9.7.7")
    assert config.may_store("V6", "::1") and config.may_store("CR1", "::ffff:10.1.2.3")
    assert not config.may_store("CR1", "10.9.7.7") and not config.may_store("CR2", "10.1.2.3")
    assert config.may_connect("10.9.1.1") and not config.may_connect("10.1.2.4")


@pytest.mark.parametrize("peer", ["CR1", "@10.1.2.3", "CR1@", "CR1@example.org", "A" * 17 + "@10.1.2.3", "A\\B@::1"])
def test_what_is_no_peer_is_told(peer: str) -> None:
    with pytest.raises(ConfigError, match="is no peer; expected AE_TITLE@address"):
        load_config(NodeConfig, None, [f"receive.peers=['{peer}']"])


@pytest.mark.parametrize("title", ["", "A" * 17, " A", "A\\B", "Ä"])
def test_an_ae_title_has_up_to_16_characters(title: str) -> None:
    with pytest.raises(ValidationError):
        ReceiveConfig(ae_title=title)


def test_a_node_makes_all_objects_unless_told_otherwise() -> None:
    assert [str(one) for one in NodeConfig().screening.dicom.objects] == ["sr", "sc", "gsps"]


def test_the_settings_of_the_guide_can_be_loaded() -> None:
    config = load_config(NodeConfig, ROOT / "docs" / "how-to" / "deploy" / "node.yaml")
    assert config.receive.may_store("CR1", "10.1.2.3") and config.send.protocol == "c-store"


def test_files_of_the_guide_run_the_node_with_these_settings() -> None:
    compose = yaml.safe_load((ROOT / "docs" / "how-to" / "deploy" / "compose.yaml").read_text("utf-8"))
    command = compose["services"]["node"]["command"]
    unit = (ROOT / "docs" / "how-to" / "deploy" / "osteolens-node.service").read_text("utf-8")
    for line in (f"osteolens {command}", unit):
        assert "osteolens node run --config /etc/osteolens/node.yaml" in line
