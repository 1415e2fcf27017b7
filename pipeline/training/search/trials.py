"""Trials of a search on disk: Optuna's study in SQLite, from which a search goes on, and their table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from classify.training.metrics import Criterion
from osteolens.atomic import write_csv
from osteolens.errors import ConfigError, ReadError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

STORE = "search.db"
MADE_FROM, REASON = "made from", "reason"
"""Attributes of a study, and of a trial that failed by itself."""

FIRST_WHOLE = 5
"""Finished trials before the first one is stopped early; Optuna's default."""


@contextmanager
def stored_study(out: Path, made_from: str, criterion: Criterion, resume: bool, warmup: int) -> Iterator[Study]:
    """The study of a search in its folder, new or to go on with.

    Args:
        out: folder of the search.
        made_from: digest of all that the trials share.
        criterion: by which trials are compared.
        resume: whether to go on with the trials that are there; they are removed otherwise.
        warmup: epochs before a trial may be stopped.

    Raises:
        ReadError: the file of an earlier search cannot be read.
        ConfigError: the earlier search was made from something else, or the folder has a name that SQLite's address
            cannot hold.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    if "?" in str(out):
        raise ConfigError(f"{out}: holds a question mark, which the address of {STORE} cannot; choose another name")
    path = out / STORE
    if not resume:
        path.unlink(missing_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = None
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
        study = optuna.create_study(
            storage=storage,
            study_name="classifier",
            direction="minimize" if criterion.smaller_is_better else "maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=FIRST_WHOLE, n_warmup_steps=warmup),
            load_if_exists=True,
        )
        former = study.user_attrs.get(MADE_FROM)
        if former is None and not study.trials:
            study.set_user_attr(MADE_FROM, made_from)
        elif former != made_from:
            raise ConfigError(
                f"{path}: the search to go on with was made with other settings, space, studies, seed or start; give "
                "what it was made with, or search again without --resume"
            )
        for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):  # of a search that was killed
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        yield study
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise ReadError(f"{path}: cannot be used ({error}); search again without --resume") from error
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()


def counted_trials(study: Study) -> list[FrozenTrial]:
    """Trials that came to an end, in order; one that was cut off by a kill is none, and is made again."""
    return [
        trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished() and not _was_cut_off(trial)
    ]


def seed_of_trial(seed: int, number: int) -> int:
    """Seed of the sampler of a trial: the same trial of a search that goes on samples the same settings."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def write_trials(path: Path, trials: Sequence[FrozenTrial], metric: str, names: Sequence[str]) -> None:
    """A row a trial: what became of it, its metric on the validation studies, its settings, and why it failed.

    Args:
        path: of the table.
        trials: that came to an end.
        metric: by which they are compared.
        names: of the settings that are searched.
    """
    rows = [
        {
            "trial": number,
            "state": STATES[trial.state.name],
            metric: trial.value if trial.state.name == "COMPLETE" else None,
            **{name: trial.params.get(name) for name in names},
            "minutes": None if trial.duration is None else round(trial.duration.total_seconds() / 60, 2),
            "reason": trial.user_attrs.get(REASON, ""),
        }
        for number, trial in enumerate(trials, start=1)
    ]
    write_csv(path, pd.DataFrame(rows))


STATES = {"COMPLETE": "finished", "PRUNED": "stopped early", "FAIL": "failed"}
"""What became of a trial, in words."""


def _was_cut_off(trial: FrozenTrial) -> bool:
    return trial.state.name == "FAIL" and REASON not in trial.user_attrs
