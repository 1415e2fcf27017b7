"""What stored features are made from, beside the patients: features.json in their folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from classify.config import PreprocessSpec
from classify.network.densenet import DualChannelDenseNet
from classify.training.begin import new_network
from classify.training.config import ClassifierTraining
from classify.training.head.features import branch_digest
from cohort.cache_key import digest_of_parts
from cohort.eligibility import EligibilityCriteria
from cohort.in_silico import IN_SILICO_NOTICE
from cohort.spine import View
from osteolens.atomic import write_whole
from osteolens.config import StrictConfig
from osteolens.documents.json_document import read_json
from osteolens.errors import ConfigError, ReadError

NOTE = "features.json"
PARTS = "part-*.safetensors"


class FeatureOrigin(StrictConfig):
    """features.json: what features are made from, beside the patients."""

    format: Literal[1] = Field(1, description="of the folder")
    notice: str = Field(IN_SILICO_NOTICE, description="for people")
    branches: dict[View, str] = Field(description="SHA-256 of each branch's tensors")
    preprocess: PreprocessSpec = Field(description="from box to network input")
    working_px: int = Field(description="side of the crops that the branches see")
    variants: int = Field(description="of each image")
    boxes: Literal["jittered", "manual", "detector"] = Field(description="ROIs that crops are cut at")
    criteria: EligibilityCriteria = Field(description="who is kept")
    sites: tuple[str, ...] = Field((), description="of the patients")
    found_by: dict[str, str] = Field({}, description="SHA-256 of the models that find boxes and tell how images face")
    part_patients: int = Field(0, description="patients of a part, the last one aside")

    def difference(self, other: FeatureOrigin) -> str:
        """Names of what another folder's features are made from otherwise; empty where nothing is."""
        names = [name for name in type(self).model_fields if name != "notice"]
        return ", ".join(name for name in names if getattr(self, name) != getattr(other, name))

    @property
    def digest(self) -> str:
        """Of all but the notice, and of how this version of the program reads images and cuts crops."""
        return digest_of_parts(self.model_dump(mode="json", exclude={"notice"}))


def origin_of(config: ClassifierTraining, start: Path, variants: int) -> FeatureOrigin:
    """What features by the branches of a start are made from.

    Args:
        config: preprocessing, side, boxes, criteria and network.
        start: safetensors of a run, or a folder of weights.
        variants: of each image.

    Raises:
        WeightsError: no tensor of the start fits.
    """
    return FeatureOrigin(
        branches=branches_of(new_network(config, start)),
        preprocess=config.preprocess,
        working_px=config.resolution_schedule[-1][0],
        variants=variants,
        boxes=config.boxes,
        criteria=config.criteria,
    )


def branches_of(network: DualChannelDenseNet) -> dict[View, str]:
    """SHA-256 of the tensors of each branch."""
    return {view: branch_digest(network, view) for view in View if view in network.spec.views}


def claim_features(folder: Path, origin: FeatureOrigin) -> None:
    """Write features.json, or check that the one in the folder says the same.

    Raises:
        ConfigError: the folder holds features that are made from something else, or parts alone.
        ReadError: its features.json cannot be read.
        OutputError: the folder cannot be written.
    """
    if not (folder / NOTE).is_file():
        if any(folder.glob(PARTS)):
            raise ConfigError(
                f"{folder}: holds {PARTS} without {NOTE}, so nothing tells what they are; give another --out"
            )
        write_whole(folder / NOTE, origin.model_dump_json(indent=1))
        return
    if differing := origin.difference(read_origin(folder)):
        raise ConfigError(
            f"{folder / NOTE}: this folder holds features with other {differing}; give another --out, or the weights "
            "and settings that it was made with"
        )


def read_origin(folder: Path) -> FeatureOrigin:
    """features.json of a folder.

    Raises:
        ReadError: it is missing or malformed.
    """
    path = folder / NOTE
    if not path.is_file():
        raise ReadError(f"{path} is missing; expected a folder of `osteolens simulate features`")
    try:
        return FeatureOrigin.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ReadError(f"{path}: {where or 'the file'}: {first['msg']}; simulate the features again") from error
