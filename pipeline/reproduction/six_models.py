"""The paper's six models on one cohort: trained or read back, judged, and laid out as its Tables 2 and 4."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classify.config import PreprocessSpec
from classify.inputs import PAIRS, SIX, PaperModel
from classify.training.config import ClassifierTraining
from cohort.bmd import BMD_CLASSES, OSTEOPOROSIS_INDEX
from cohort.eligibility import exclusions
from cohort.io.annotations import Rois, read_rois, write_rois
from cohort.io.folder import index_cohort
from cohort.spine import View
from cohort.splits import is_test_site
from cohort.study import Study
from osteolens.errors import MissingExtra, ReadError
from osteolens.json_document import write_json
from pipeline.evaluation.classification import EvaluatedCases, classification_metrics
from pipeline.evaluation.statistics import delong_test
from pipeline.screening.screener import Screener
from pipeline.training.cohorts import TrainingCohorts, classifier_crops, detected_rois, front_at_left

Floats = npt.NDArray[np.float64]
COLUMNS = tuple(f"share_{name}" for name in BMD_CLASSES)
SHARED = "shared"
"""Name of the one network that serves every subset of inputs."""


def reproduce(
    found: TrainingCohorts,
    cohorts: Sequence[Path],
    out: Path,
    config: ClassifierTraining,
    options: Any,
    screener: Screener | None = None,
    shared: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train the six, predict, judge; every finished step is read back on a rerun.

    Args:
        found: training and validation studies.
        cohorts: folders whose test sites are judged on.
        out: run folder; one folder a model, predictions.csv in each, tables.json and tables.csv at the end.
        config: training settings; views and covariates are set by model, and nothing of these is hidden. With stages
            that hold no epoch the six share the branches of `options.start_from` and have heads of their own.
        options: `RunOptions` of the trainer; `start_from` lets all six begin with the branches of one network.
        screener: finds the boxes of the test sites; hand-drawn ones are taken without it.
        shared: best.safetensors of the one network, judged on each subset of inputs with the others hidden.
        say: told of every step.

    Raises:
        MissingExtra: torch is not installed.
        ReadError: nothing to train on or to judge.
    """
    try:
        from classify.training.crops import build_crops
        from classify.training.train import train_classifier
    except ImportError as error:
        raise MissingExtra("reproduce", "torch") from error
    both = config.model_copy(update={"views": tuple(View), "covariates": True})
    training, validation, spec = classifier_crops(found, both, out, options.seed)
    judged = {"validation": validation}
    for site, studies in _test_sites(cohorts).items():
        say(f"{site}: boxes of {len(studies)} studies")
        rois = _rois(cohorts, studies, screener, out / f"rois-{site}.csv")
        judged[site] = build_crops(
            studies, rois, spec, out / f"crops-{site}", 1, options.seed, front_at_left=front_at_left
        )
    for model in SIX:
        folder = out / model.name
        seen_whole = {"drop_view": 0.0, "drop_covariate": 0.0, "drop_covariates": 0.0}
        own = config.model_copy(update={"views": model.views, "covariates": model.covariates, **seen_whole})
        if not (folder / "metrics.json").is_file():
            say(f"{model.name}: training")
            seen, checks = training.of_views(model.views), validation.of_views(model.views)
            train_classifier(seen, checks, folder, own, spec, options, partial(_say_row, say, model.name))
        _predict(folder / "best.safetensors", folder, own, spec, judged, model)
        if shared is not None:
            _predict(shared, out / SHARED / model.name, both, spec, judged, model)
    tables = tabulate(out, list(judged))
    write_json(out / "tables.json", tables)
    pd.DataFrame(tables["rows"]).to_csv(out / "tables.csv", index=False)
    return tables


def _say_row(say: Callable[[str], None], name: str, row: dict[str, float]) -> None:
    say(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in row.items()))


def _test_sites(cohorts: Sequence[Path]) -> dict[str, list[Study]]:
    sites: dict[str, list[Study]] = {}
    for study in (study for cohort in cohorts for study in index_cohort(cohort).studies):
        if study.site is not None and is_test_site(study.site) and not exclusions(study):
            sites.setdefault(study.site, []).append(study)
    return dict(sorted(sites.items()))


def _rois(cohorts: Sequence[Path], studies: Sequence[Study], screener: Screener | None, cache: Path) -> Rois:
    """Boxes of a test site: hand-drawn, or as the detector finds them, kept in a table."""
    if screener is None:
        return {key: boxes for cohort in cohorts for key, boxes in read_rois(cohort / "rois.csv").items()}
    if not cache.is_file():
        found = detected_rois(studies, screener)
        write_rois(cache, found)
    return read_rois(cache)


def _predict(
    weights: Path,
    folder: Path,
    config: ClassifierTraining,
    spec: PreprocessSpec,
    judged: dict[str, Any],
    model: PaperModel,
) -> None:
    """predictions.csv of one network over all cohorts, with the inputs that the model lacks hidden."""
    path = folder / "predictions.csv"
    if path.is_file():
        return
    from dataclasses import replace

    from classify.network.checkpoint import load_network
    from classify.network.densenet import DualChannelDenseNet
    from classify.training.config import network_spec
    from classify.training.head import judged_head, pooled_features

    network = DualChannelDenseNet(network_spec(config, spec))
    load_network(network, weights)
    side, tables = config.resolution_schedule[-1][0], []
    for cohort, crops in judged.items():
        seen = crops.of_views(model.views)
        if not model.covariates:
            seen = replace(seen, covariates=np.zeros_like(seen.covariates))
        features = pooled_features(network, seen, side, spec, "cpu")
        shares, t_scores = judged_head(network, features, seen, "cpu")
        table = pd.DataFrame(shares, columns=list(COLUMNS))
        table.insert(0, "cohort", cohort)
        table.insert(1, "study_uid", seen.study_uids)
        table["label"], table["t_score"], table["t_score_true"] = seen.labels, t_scores, seen.t_scores
        tables.append(table)
    folder.mkdir(parents=True, exist_ok=True)
    pd.concat(tables).to_csv(path, index=False)


def tabulate(out: Path, cohorts: Iterable[str]) -> dict[str, Any]:
    """The paper's Tables 2 and 4 from the predictions below a run folder, and paired comparisons.

    Returns:
        `rows`: table, dataset, projection and the metrics of `classification_metrics`; `comparisons`: differences of
        the osteoporosis AUC on the same studies.

    Raises:
        ReadError: a model's predictions are missing.
    """
    rows: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    for cohort in cohorts:
        own = {m.name: _read(out / m.name / "predictions.csv", cohort) for m in SIX}
        for model in SIX:
            rows.append({"network": "dedicated", **_row(model, cohort, own[model.name])})
            if (path := out / SHARED / model.name / "predictions.csv").is_file():
                shared = _read(path, cohort)
                rows.append({"network": SHARED, **_row(model, cohort, shared)})
                comparisons.append(_paired(cohort, f"{model.name}: dedicated", own[model.name], SHARED, shared))
        comparisons += [_paired(cohort, first, own[first], second, own[second]) for first, second in PAIRS]
    return {"rows": rows, "comparisons": comparisons}


def _read(path: Path, cohort: str) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype={"study_uid": str, "cohort": str})
    except OSError as error:
        raise ReadError(f"{path}: no predictions of this model; run osteolens reproduce again ({error})") from error
    return table[table["cohort"] == cohort].set_index("study_uid")


def _row(model: PaperModel, cohort: str, table: pd.DataFrame) -> dict[str, Any]:
    count = len(table)
    judged = EvaluatedCases(
        table["label"].to_numpy(np.int64),
        table[list(COLUMNS)].to_numpy(float),
        table["t_score_true"].to_numpy(float),
        table["t_score"].to_numpy(float),
        [frozenset()] * count,
        [None] * count,
    )
    return {"table": model.table, "dataset": cohort, "projection": model.projection, **classification_metrics(judged)}


def _paired(cohort: str, first: str, one: pd.DataFrame, second: str, other: pd.DataFrame) -> dict[str, Any]:
    """Second minus first on the studies that both judged."""
    shared = one.index.intersection(other.index)
    positive = one.loc[shared, "label"].to_numpy(int) == OSTEOPOROSIS_INDEX
    row: dict[str, Any] = {"dataset": cohort, "first": first, "second": second, "studies": len(shared)}
    if 0 < positive.sum() < len(positive):
        column = COLUMNS[OSTEOPOROSIS_INDEX]
        found = delong_test(positive, one.loc[shared, column].to_numpy(), other.loc[shared, column].to_numpy())
        gap = found.difference
        row.update({"difference": gap.value, "low": gap.low, "high": gap.high, "p": found.p})
    return row
