"""Search of the classifier's settings by the studies that its training validates by."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from classify.training.config import ClassifierTraining
from classify.training.metrics import Criterion, criterion_of
from cohort.cache_key import digest_of_parts
from osteolens.atomic import write_whole
from osteolens.documents.text import visible
from osteolens.errors import ConfigError, OsteoLensError, OutputError
from osteolens.extras import require
from osteolens.progress import Progress, silent
from osteolens.training.device import check_device
from osteolens.training.run_options import RunOptions
from osteolens.training.start import digest_of_start
from osteolens.training.watch import Watch
from pipeline.bundle.load import load_bundle
from pipeline.screening.screener import Screener
from pipeline.training.classifier import (
    PACKAGES,
    ClassifierCrops,
    check_room,
    classifier_crops,
    classifier_start,
    settled,
    with_targets,
)
from pipeline.training.cohorts import Cohorts, training_cohorts
from pipeline.training.run import Notify, TrainingOptions
from pipeline.training.search.result import BEST, SearchResult
from pipeline.training.search.space import SearchSpace, Value
from pipeline.training.search.trials import (
    REASON,
    counted_trials,
    seed_of_trial,
    stored_study,
    write_trials,
)

if TYPE_CHECKING:
    from optuna import Study, Trial

log = logging.getLogger(__name__)

TRIALS = "trials.csv"


def search_classifier(
    cohorts: Cohorts,
    out: Path | str,
    trials: int = 20,
    config: ClassifierTraining | None = None,
    space: SearchSpace | None = None,
    options: TrainingOptions | None = None,
    progress: Progress = silent,
    notify: Notify = log.info,
) -> SearchResult:
    """Train the classifier with several settings, and find those that are best on the validation studies.

    The first trial has the settings that are given, the next ones are sampled at random, and later ones by what the
    earlier ones reached (TPE). Compared is what a training chooses its best epoch by; a trial whose epochs are worse
    than the median of the others is stopped. Test studies are never read. Every trial has the same split and the same
    seed. Writes search.db, from which the search goes on with `options.resume`, trials.csv and best.yaml.

    Args:
        cohorts: folders with cohort.csv, rois.csv and images.
        out: folder of the search.
        trials: how many there are to be in all.
        config: settings that all trials share.
        space: settings that are searched, and their bounds.
        options: device, seed, resuming, weights that find ROIs, and what every trial starts from.
        progress: told of every cropped study.
        notify: told of every step.

    Raises:
        MissingExtra: the extra 'train' or 'search' is not installed; nothing has been read then.
        ConfigError: settings that do not fit, nothing to search, a search to go on with that was made from something
            else, or no trial that did not fail.
        ReadError: nothing to train on, or an earlier search that cannot be read.
        OutputError: the folder cannot be written, or its disk is full.
        WeightsError: weights to start from that are missing or do not fit.

    Source: Bergstra 2011 (TPE); Akiba 2019 (Optuna).
    """
    require("train search", *PACKAGES)
    require("train search", "optuna", extra="search")
    from classify.training.begin import check_settings

    out, config, space = Path(out), config or ClassifierTraining(), space or SearchSpace()
    options = options or TrainingOptions()
    check_device(options.device)
    weights = load_bundle(options.weights)
    start = classifier_start(options, weights)
    config = settled(config, start)
    check_settings(config, start, options.device)
    names = _names(config, space, trials)
    split = training_cohorts(cohorts, out, config.validation_fraction, options, config.criteria, config.sites)
    split = with_targets(split, config)
    split.describe(config, notify)
    check_room(out, len(split.training) + len(split.held_out), config, options.device)
    crops = classifier_crops(split, config, out, options.seed, Screener(weights), progress)
    criterion = criterion_of(crops.validation.labels)
    if not options.resume:  # of a search before
        for name in (TRIALS, BEST):
            (out / name).unlink(missing_ok=True)
    run = _Run(
        out=out,
        config=config,
        space=space,
        names=names,
        crops=crops,
        criterion=criterion,
        fit=replace(options.run_options(start), resume=False),
        options=options,
        notify=notify,
    )
    warmup = sum(epochs for _, epochs in config.resolution_schedule) // 3
    with stored_study(out, run.made_from, criterion, options.resume, warmup) as study:
        if done := len(counted_trials(study)):
            notify(f"goes on after trial {done} of {trials}")
        for number in range(done, trials):
            run.try_settings(study, number, trials)
            write_trials(out / TRIALS, counted_trials(study), criterion.name, names)
        return run.result(study)


def _names(config: ClassifierTraining, space: SearchSpace, trials: int) -> tuple[str, ...]:
    """Settings that are searched."""
    if trials < 1:
        raise ConfigError(f"{trials} trials; expected 1 or more")
    if config.processes > 1:
        raise ConfigError(f"processes {config.processes}: a search trains in one; leave it out")
    names = space.searched(config)
    if not names:
        raise ConfigError("nothing is searched: every setting of the space is null or changes nothing in this training")
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What all trials share."""

    out: Path
    config: ClassifierTraining
    space: SearchSpace
    names: tuple[str, ...]
    crops: ClassifierCrops
    criterion: Criterion
    fit: RunOptions
    options: TrainingOptions
    notify: Notify

    @property
    def made_from(self) -> str:
        """Digest of it."""
        settings, space = self.config.model_dump(mode="json"), self.space.model_dump(mode="json")
        start = "" if self.fit.start_from is None else digest_of_start(self.fit.start_from)
        digests = (self.crops.training.digest, self.crops.validation.digest)
        return digest_of_parts(settings, space, self.options.seed, start, *digests)

    @property
    def given(self) -> dict[str, Value]:
        """The settings that are searched, as they were given."""
        return {name: getattr(self.config, name) for name in self.names}

    def try_settings(self, study: Study, number: int, trials: int) -> None:
        """One trial, whatever becomes of it."""
        import optuna

        if number == 0 and not study.get_trials(states=(optuna.trial.TrialState.WAITING,)):
            if outside := self.space.outside(self.given):
                self.notify(
                    f"the space does not hold {', '.join(outside)} as given, so no trial has the given settings"
                )
            else:
                study.enqueue_trial(self.given)
        study.sampler = optuna.samplers.TPESampler(seed=seed_of_trial(self.options.seed, number))
        trial = study.ask()
        settings = {name: self.space.sampled(name, trial) for name in self.names}
        told = f"trial {number + 1} of {trials}"
        self.notify(f"{told}: {_in_words(settings)}")
        try:
            value = self._value(trial, settings, told)
            study.tell(trial, value)
            self.notify(f"{told}: {self.criterion.name} {value:.4g}")
        except optuna.TrialPruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            self.notify(f"{told}: stopped early, worse than the median of the trials before")
        except OutputError:  # would end every other trial too
            raise
        except (OsteoLensError, RuntimeError, ValueError, MemoryError) as error:
            reason = visible(f"{type(error).__name__}: {error}")[:500]
            trial.set_user_attr(REASON, reason)
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            self.notify(f"{told}: failed, {reason}")

    def _value(self, trial: Trial, settings: Mapping[str, Value], told: str) -> float:
        """What a training with some settings reaches on the validation studies."""
        import optuna

        from classify.training.train import try_settings

        config = ClassifierTraining.model_validate({**self.config.model_dump(), **settings})
        metric = self.criterion.name

        def on_epoch(row: Mapping[str, float]) -> None:
            if self.options.on_epoch is not None:
                self.options.on_epoch(row)
            if row["epoch"] and metric in row:  # epoch 0 is the start, equal in all trials
                trial.report(row[metric], int(row["epoch"]))
                if trial.should_prune():
                    raise optuna.TrialPruned

        watch = Watch(
            notify=lambda line: self.notify(f"{told}: {line}"), on_epoch=on_epoch, on_step=self.options.on_step
        )
        folder, before = self.out / "trial", self._features()
        shutil.rmtree(folder, ignore_errors=True)
        try:
            metrics = try_settings(self.crops.training, self.crops.validation, folder, config, self.fit, watch)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if any(epochs for _, epochs in config.resolution_schedule):  # of branches that no other trial has
                for path in self._features() - before:
                    path.unlink(missing_ok=True)
        return float(metrics[metric])

    def _features(self) -> set[Path]:
        """Cached features of branches."""
        folders = (self.crops.training.folder, self.crops.validation.folder)
        return {path for folder in folders for path in folder.glob("features-*.npy")}

    def result(self, study: Study) -> SearchResult:
        """What was found, written to the folder."""
        trials = counted_trials(study)
        write_trials(self.out / TRIALS, trials, self.criterion.name, self.names)
        finished = [trial for trial in trials if trial.state.name == "COMPLETE"]
        if not finished:
            reason = next((t.user_attrs[REASON] for t in trials if REASON in t.user_attrs), "all were stopped early")
            raise ConfigError(f"no trial of {len(trials)} came to its end; the first one failed with: {reason}")
        best = next(trial for trial in finished if trial.number == study.best_trial.number)
        found = SearchResult(
            out=self.out,
            trials=len(trials),
            failed=sum(trial.state.name == "FAIL" for trial in trials),
            stopped=sum(trial.state.name == "PRUNED" for trial in trials),
            metric=self.criterion.name,
            number=trials.index(best) + 1,
            value=float(best.value if best.value is not None else "nan"),
            given=next((trial.value for trial in finished if trial.params == self.given), None),
            settings=dict(best.params),
            validation=len(self.crops.validation.labels),
        )
        config = ClassifierTraining.model_validate({**self.config.model_dump(), **best.params})
        text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
        write_whole(self.out / BEST, f"# {visible(found.line)}\n# seed {self.options.seed}\n{text}")
        return found


def _in_words(settings: Mapping[str, Value]) -> str:
    return ", ".join(
        f"{name} {value if isinstance(value, str) else f'{value:.3g}'}" for name, value in settings.items()
    )
