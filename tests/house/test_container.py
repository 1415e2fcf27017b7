"""The Dockerfile and the compose file: images without rights, with a health check, whose commands exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from tests import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
STAGES = {
    name: body for body, name in ((part, part.split("\n")[0].split()[-1]) for part in DOCKERFILE.split("FROM ")[1:])
}
IMAGES = [name for name, body in STAGES.items() if body.startswith("base AS")]
COMPOSE = ROOT / "docs" / "how-to" / "deploy" / "compose.yaml"


def words(stage: str, keyword: str) -> list[str]:
    """The words of an instruction in its JSON form."""
    found = re.search(rf"^\s*{keyword} (\[.*\])$", STAGES[stage], re.MULTILINE)
    assert found is not None, f"{stage} has no {keyword} in JSON form"
    return [str(word) for word in json.loads(found.group(1))]


def test_there_is_an_image_for_each_task() -> None:
    assert IMAGES == ["node", "review", "process"], "the last one is what a build without --target makes"


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_without_rights_and_is_watched(image: str) -> None:
    body = STAGES[image]
    assert re.search(r"^USER [1-9]\d*$", body, re.MULTILINE), "a user by number, not root"
    assert body.index("USER ") > body.index("pip install"), "packages cannot be changed by who runs them"
    assert "HEALTHCHECK" in body and "torch" not in body


@pytest.mark.parametrize("image", IMAGES)
def test_the_command_of_an_image_is_one_of_ours(image: str) -> None:
    command = words(image, "CMD")
    name = [word for word in command if re.fullmatch(r"[a-z]+", word)]
    told = CliRunner().invoke(app, [*name, "--help"])
    assert told.exit_code == 0, told.output
    help_text = re.sub(r"\s+", " ", told.output)
    for option in (word for word in command if word.startswith("--")):
        assert option in help_text


def test_the_compose_file_builds_images_that_exist() -> None:
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))
    ours = {name: service for name, service in document["services"].items() if "build" in service}
    assert set(ours) == {"node", "review"}
    for service in ours.values():
        assert service["build"]["target"] in IMAGES
        assert (COMPOSE.parent / service["build"]["context"] / "Dockerfile").resolve() == (
            ROOT / "Dockerfile"
        ).resolve()
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in ours["review"]["ports"]), "films stay on the machine"
    assert Path(COMPOSE.parent / "node.yaml").is_file()
