"""Simulate patients, keep the classifier's features of them, and throw their radiographs away."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from classify.training.config import ClassifierTraining
from classify.training.crops.build import build_crops
from cohort.eligibility import EligibilityCriteria, exclusions
from cohort.in_silico import PLAN_FILE
from cohort.spine import TARGET_LEVELS, VertebraBox, View
from cohort.splits import SiteSplits, Split, split_of_site
from osteolens.atomic import cannot_write
from osteolens.config import StrictConfig
from osteolens.errors import ConfigError
from osteolens.extras import require
from osteolens.progress import Progress, silent
from osteolens.training.resources import check_disk
from phantom.cohort import simulate_parts
from phantom.plan import DEFAULT_OPTIONS, SimulationOptions, SimulationPlan, assign_sites, claim_folder
from phantom.subject.population import PopulationConfig, patient_id
from pipeline.bundle.explainer import check_one_network
from pipeline.bundle.load import load_bundle
from pipeline.screening.screener import Screener
from pipeline.training.classifier import PACKAGES, crop_plan, settled, variants_of
from pipeline.training.folders import read_folder
from pipeline.training.rois import detected_rois

if TYPE_CHECKING:
    from classify.network.densenet import DualChannelDenseNet
    from classify.training.head.side import Side

SITE = "training"
"""Site of patients whose features are kept, unless another is asked for."""

FILMS = "radiographs-in-work"
"""Folder of the patients whose features are not yet kept."""

FEATURE_BYTES, FILM_BYTES, OF_SPACING_MM = 100_000, 1_000_000, 0.6
"""About what a patient takes in features; and in radiographs and crops of pixels of that size, until these are gone."""


class FeatureStream(StrictConfig):
    """Which patients are simulated, and how features are made of them."""

    population: PopulationConfig = Field(default_factory=PopulationConfig, description="who comes to the hospital")
    boxes: Literal["jittered", "manual", "detector"] = Field(
        "jittered",
        description="ROIs of the crops: true ones moved as a reader might, as they are, or detected",
    )
    criteria: EligibilityCriteria = Field(EligibilityCriteria(), description="whose features are kept")
    sites: SiteSplits = Field(SiteSplits(), description="what sites are for, where their names say something else")
    part_patients: int = Field(100, ge=1, le=2000, description="patients a file, whose radiographs are there at a time")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedFeatures:
    """A folder of features.

    Attributes:
        folder: where it lies; `train classifier --features` takes it.
        patients: simulated in all, by this run and by earlier ones.
        kept: eligible studies whose features it holds.
        simulated: patients of this run.
        bytes: of the files of features.
        seconds: that this run took.
    """

    folder: Path
    patients: int
    kept: int
    simulated: int
    bytes: int
    seconds: float

    def as_json(self) -> dict[str, object]:
        """As it is printed."""
        return {**asdict(self), "folder": str(self.folder), "seconds": round(self.seconds, 2)}


def simulate_features(
    out: Path | str,
    patients: int | None = None,
    seed: int = 0,
    sites: str = SITE,
    options: SimulationOptions = DEFAULT_OPTIONS,
    config: FeatureStream | None = None,
    weights: Path | None = None,
    progress: Progress = silent,
) -> SimulatedFeatures:
    """Simulate patients, detect or take their ROIs, crop, and keep the features of the classifier's branches; each
    part's radiographs are deleted once its features stand.

    Writes part-*.safetensors (half precision), features.json and simulation.json. A rerun goes on where it stopped:
    parts that stand stay, and patients of a stopped part who were simulated are not simulated again. With more patients
    the last part is made anew if it was not full.

    Args:
        out: folder of the features.
        patients: number of patients; None takes the sum of the counts in `sites`, or 10.
        seed: seed of the cohort; another seed is another population.
        sites: of training, as for `simulate_cohort`.
        options: pixel size, anatomy, device, drawn systems, processes and resuming; who comes is said by `config`.
        config: who is simulated and kept, and how crops are cut.
        weights: folder of weights whose branches make the features; the shipped ones when None.
        progress: told after every patient.

    Raises:
        MissingExtra: the extra 'train' is not installed.
        ConfigError: a site that is not for training, a folder of other patients or features or of more of them, or an
            unknown device.
        AnatomyError: the anatomy folder cannot be used.
        WeightsError: weights that are missing, damaged or an ensemble.
        OutputError: the folder cannot be written, or its disk has too little room.
    """
    require("simulate features", *PACKAGES)
    from classify.training.begin import new_network
    from classify.training.head.origin import claim_features, origin_of
    from classify.training.head.stored import read_stored, write_part
    from phantom.processes import AHEAD

    began, config = time.perf_counter(), config or FeatureStream()
    options = replace(options, population=config.population)
    plan = SimulationPlan(out=Path(out), patients=patients, seed=seed, sites=sites, options=options)
    assigned = assign_sites(plan)
    _check_sites({str(site) for site in assigned}, config.sites)
    bundle = load_bundle(weights)
    check_one_network(bundle, "features")
    start = bundle.classifier.parent
    training = settled(ClassifierTraining(resolution_schedule=[], boxes=config.boxes, criteria=config.criteria), start)
    origin = origin_of(training, start, variants_of(training)).model_copy(
        update={
            "sites": tuple(sorted(set(map(str, assigned)))),
            "found_by": {name: bundle.hashes[name] for name in ("detector", "segmenter") if name in bundle.hashes},
            "part_patients": config.part_patients,
        }
    )
    _check_folder(plan.out, len(assigned))
    parts = _parts(plan.out, len(assigned), config.part_patients)
    todo = [part for part in parts if not (options.resume and part.path.is_file())]
    lacking = sum(len(part.patients) for part in todo)
    at_a_time = min(lacking, config.part_patients + AHEAD * options.jobs)
    film_bytes = FILM_BYTES * (OF_SPACING_MM / options.spacing_mm) ** 2
    check_disk(plan.out, lacking * FEATURE_BYTES + at_a_time * film_bytes, "features")
    claim_folder(plan)
    claim_features(plan.out, origin)
    for part in parts:
        if part not in todo and part.films.is_dir():
            _remove(part.films)  # of a run that was stopped once its features stood
    for part in todo:
        for stale in plan.out.glob(f"{part.stem}-*.safetensors"):
            stale.unlink()  # with fewer patients, or to be made anew
    network = new_network(training, start).to(plan.options.device)
    extractor = _Extractor(training, network, Screener(bundle), plan)
    told = _Told(progress, len(assigned) - lacking, len(assigned))
    progress(told.done, told.total)
    films = [(part.films, part.patients) for part in todo]
    with closing(simulate_parts(plan, films, told.of_one)) as simulated:
        for part, folder in zip(todo, simulated, strict=True):
            write_part(part.path, extractor.side_of(folder, part.patients), origin)
            _remove(folder)
    kept = read_stored(plan.out)
    return SimulatedFeatures(
        folder=plan.out,
        patients=len(assigned),
        kept=kept.studies,
        simulated=told.simulated,
        bytes=sum(path.stat().st_size for path in kept.parts),
        seconds=time.perf_counter() - began,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """Some patients of a plan, and where their radiographs and features lie."""

    out: Path
    patients: range

    @property
    def stem(self) -> str:
        return f"part-{self.patients.start:06}"

    @property
    def path(self) -> Path:
        return self.out / f"{self.stem}-{self.patients.stop:06}.safetensors"

    @property
    def films(self) -> Path:
        return self.out / FILMS / self.stem


@dataclass(slots=True)
class _Told:
    """Progress over all patients."""

    progress: Progress
    done: int
    total: int
    simulated: int = 0

    def of_one(self, is_new: bool) -> None:
        self.done += 1
        self.simulated += is_new
        self.progress(self.done, self.total)


@dataclass(frozen=True, slots=True)
class _Extractor:
    """Makes features of a part's radiographs by one network."""

    training: ClassifierTraining
    network: DualChannelDenseNet
    screener: Screener
    plan: SimulationPlan

    def side_of(self, folder: Path, patients: range) -> Side | None:
        """Features of the eligible patients of a cohort folder; None where there are none.

        Args:
            folder: of the part.
            patients: their numbers in the plan; the first makes the seed of readers and displays.
        """
        from classify.training.head.features import pooled_features
        from classify.training.head.side import Side

        config = self.training
        read = read_folder(folder, [])
        own = {patient_id(number, self.plan.seed) for number in patients}
        studies = [s for s in read.studies if s.patient_id in own and not exclusions(s, config.criteria)]
        rois = detected_rois(studies, self.screener) if config.boxes == "detector" else read.rois
        studies = [study for study in studies if any(_is_whole(rois.get((study.study_uid, view))) for view in View)]
        if not studies:
            return None
        plan = crop_plan(config, self.plan.seed + patients.start, self.screener)
        crops = build_crops(studies, rois, plan, folder / "crops")
        side, device = config.resolution_schedule[-1][0], self.plan.options.device
        return Side(crops, pooled_features(self.network, crops, side, config.preprocess, device))


def _parts(out: Path, patients: int, each: int) -> list[_Part]:
    """All parts of a plan."""
    return [_Part(out, range(first, min(first + each, patients))) for first in range(0, patients, each)]


def _check_folder(out: Path, patients: int) -> None:
    """Check that nothing in a folder would be lost or be counted that is not asked for.

    Raises:
        ConfigError: it holds features of more patients, or a folder of radiographs that is not of this command.
    """
    from classify.training.head.origin import PARTS

    if (out / FILMS).exists() and not (out / PLAN_FILE).is_file():
        raise ConfigError(f"{out / FILMS}: would be written into, and is not of this command; give another --out")
    ends = [path.stem.rpartition("-")[2] for path in out.glob(PARTS)]
    stands = max((int(end) for end in ends if end.isascii() and end.isdigit()), default=0)
    if stands > patients:
        raise ConfigError(f"{out}: holds features of {stands} patients, more than {patients}; give --patients {stands}")


def _remove(folder: Path) -> None:
    """Remove a part's radiographs, and the folder of all parts after the last one.

    Raises:
        OutputError: they cannot be removed.
    """
    try:
        shutil.rmtree(folder)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()
    except OSError as error:
        raise cannot_write(folder, error) from error


def _is_whole(boxes: Sequence[VertebraBox] | None) -> bool:
    """Whether a view's boxes are of all of L1 to L4."""
    return boxes is not None and {box.level for box in boxes}.issuperset(TARGET_LEVELS)


def _check_sites(sites: set[str], splits: SiteSplits) -> None:
    """Check that every site is one to train on.

    Raises:
        ConfigError: one is for validation or for tests, whose images are needed.
    """
    others = sorted(site for site in sites if split_of_site(site, splits) is not Split.TRAINING)
    if others:
        raise ConfigError(
            f"features are to train on, and site {', '.join(others)} is not; give --sites training:COUNT, or name it "
            f"by --set 'sites.training=[{', '.join(others)}]' where it shall be"
        )
