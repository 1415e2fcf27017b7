"""One classifier being fitted: its network, the averaged copy that is kept, its optimiser and its files."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from classify.config import PreprocessSpec
from classify.training.config import ClassifierTraining, network_spec
from cohort.bmd import OSTEOPOROSIS_INDEX
from osteolens.errors import ConfigError
from osteolens.training.precision import bfloat16_is_fast

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run goes, beside its settings.

    Attributes:
        device: "auto", "cpu", "cuda".
        seed: of weights, order and augmentation.
        resume: go on from the run folder's checkpoint.
        start_from: safetensors of another run, or a folder of shipped weights; tensors that fit are taken over.
    """

    device: str = "auto"
    seed: int = 0
    resume: bool = False
    start_from: Path | None = None


class Fit:
    """A network, its averaged copy and its optimiser, with the files that let a run go on."""

    def __init__(
        self, fabric: Any, training: Any, out: Path, config: ClassifierTraining, spec: PreprocessSpec, how: RunOptions
    ) -> None:
        import torch
        from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

        from classify.network.checkpoint import load_network
        from classify.network.densenet import DualChannelDenseNet

        self.fabric, self.training, self.config, self.spec, self._seed = fabric, training, config, spec, how.seed
        self._files = {name: out / f"{name}.safetensors" for name in ("last", "averaged", "best")}
        self._state = out / "state.json"
        self.network = DualChannelDenseNet(network_spec(config, spec))
        self.network.to(memory_format=torch.channels_last)
        self.history = self._finished_epochs() if how.resume else []
        if self.history:
            load_network(self.network, self._files["last"])
        elif how.start_from is not None:
            load_network(self.network, how.start_from, only_fitting=True)
        average = get_ema_multi_avg_fn(config.ema_decay)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(self.network, multi_avg_fn=average, use_buffers=True)
        if self.history:
            load_network(self.averaged.module, self._files["averaged"])
            self.averaged.n_averaged += 1
        self.plan = [side for side, epochs in config.resolution_schedule for _ in range(epochs)]
        if not self.plan and how.start_from is None:
            raise ConfigError(
                f"stages {config.resolution_schedule} hold no epoch, and no network is given to start from"
            )
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        self._model, self._optimizer = fabric.setup(self.network, optimizer)
        self.averaged.to(fabric.device)
        self._loss = _loss(training.labels, config, fabric.device)

    def _finished_epochs(self) -> list[dict[str, float]]:
        if not all(path.is_file() for path in (self._state, self._files["last"], self._files["averaged"])):
            return []
        rows: list[dict[str, float]] = json.loads(self._state.read_text("utf-8"))["history"]
        return rows

    @property
    def side(self) -> int:
        """Working side of the last epoch, or the one that the settings end with."""
        return int(self.history[-1]["side"]) if self.history else self.config.resolution_schedule[-1][0]

    def epoch(self, number: int) -> float:
        """One pass over this process's share of the studies; returns the mean loss."""
        from classify.training.batches import batches

        side, rng, config = self.plan[number], np.random.default_rng([self._seed, number]), self.config
        share = (self.fabric.global_rank, self.fabric.world_size)
        steps_each = -(-len(self.training.labels) // (config.batch * share[1]))
        self._model.train()
        losses = []
        device = self.fabric.device
        for step, batch in enumerate(batches(self.training, side, config.batch, self.spec, config, rng, device, share)):
            for group in self._optimizer.param_groups:
                group["lr"] = config.lr * _one_cycle((number + step / steps_each) / len(self.plan))
            steps = (step + 1) % config.accumulate_grad_batches == 0
            with self.fabric.no_backward_sync(self._model, enabled=not steps):
                loss = self._loss(self._model(*_inputs(batch)), batch)
                self.fabric.backward(loss / config.accumulate_grad_batches)
            losses.append(float(loss.detach()))
            if steps:
                self.fabric.clip_gradients(self._model, self._optimizer, max_norm=2.0)
                self._optimizer.step()
                self._optimizer.zero_grad()
                self.averaged.update_parameters(self.network)
        return float(np.mean(losses))

    def judge(self, validation: Any, side: int) -> dict[str, float]:
        """Figures of the averaged network."""
        network = self.averaged.module
        return figures_of(
            validation, *predict(network, validation, side, self.spec, self.config.batch, self.fabric.device)
        )

    def refit_head(self, validation: Any) -> dict[str, float]:
        """Fit what stands behind the best epoch's branches anew, with several weight decays; the one with the best
        macro AUC on validation is kept, or the head as it was.

        Returns:
            figures of the network that is kept.
        """
        from classify.network.checkpoint import save_network
        from classify.training.head import fit_head, judged_head, pooled_features

        network, device = self.best(), self.fabric.device
        features, checks = (
            pooled_features(network, crops, self.side, self.spec, device) for crops in (self.training, validation)
        )
        best, kept = figures_of(validation, *judged_head(network, checks, validation, device)), None
        start = {name: value.clone() for name, value in network.state_dict().items()}
        for decay in self.config.head_weight_decays:
            network.load_state_dict(start)
            loss = fit_head(network, features, self.training, self.config, self._loss, device, self._seed, decay)
            found = figures_of(validation, *judged_head(network, checks, validation, device))
            log.info("head, decay %g: loss %.3f, macro AUC %.3f", decay, loss, found["macro_auc"])
            if np.nan_to_num(found["macro_auc"], nan=1.0) >= np.nan_to_num(best["macro_auc"]):
                best, kept = found, {name: value.clone() for name, value in network.state_dict().items()}
        network.load_state_dict(kept or start)
        if kept or not self._files["best"].is_file():
            save_network(network, self._files["best"])
        return best

    def save(self, best: bool) -> None:
        """Weights first, then the note that the epoch is finished."""
        from classify.network.checkpoint import save_network

        save_network(self.network, self._files["last"])
        save_network(self.averaged.module, self._files["averaged"])
        if best:
            save_network(self.averaged.module, self._files["best"])
        self._state.write_text(json.dumps({"history": self.history}, indent=1), "utf-8")

    def best(self) -> Any:
        """The network of the best epoch; without an epoch, as it began."""
        from classify.network.checkpoint import load_network

        for name in ("best", "averaged"):
            if self._files[name].is_file():
                load_network(self.averaged.module, self._files[name])
                break
        return self.averaged.module


def figures_of(
    crops: Any, probabilities: npt.NDArray[np.float64], t_scores: npt.NDArray[np.float64]
) -> dict[str, float]:
    """Figures of predictions on validation crops."""
    return {
        "macro_auc": macro_auc(crops.labels, probabilities),
        "accuracy": float(np.mean(probabilities.argmax(1) == crops.labels)),
        "auc_osteoporosis": osteoporosis_auc(crops.labels, probabilities),
        "t_score_mae": float(np.mean(np.abs(t_scores - crops.t_scores))),
    }


def macro_auc(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> float:
    """Mean of the three one-against-rest areas under the ROC curve; NaN when a class is absent."""
    if len(np.unique(labels)) < 3:
        return float("nan")
    return float(roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"))


def osteoporosis_auc(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> float:
    """Area under the ROC curve of osteoporosis against the rest; NaN when either is absent."""
    positive = labels == OSTEOPOROSIS_INDEX
    return (
        float(roc_auc_score(positive, probabilities[:, OSTEOPOROSIS_INDEX]))
        if 0 < positive.sum() < len(labels)
        else float("nan")
    )


def predict(
    model: Any, crops: Any, side: int, spec: PreprocessSpec, size: int, device: Any
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Class probabilities (n, 3) and T-scores (n,) of plain crops at a working side."""
    import torch

    from classify.training.batches import batches

    model.eval()
    found, scores = [], []
    with (
        torch.inference_mode(),
        torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bfloat16_is_fast(device)),
    ):
        for batch in batches(crops, side, size, spec, None, np.random.default_rng(0), device):
            logits, t_score = model(*_inputs(batch))
            found.append(torch.softmax(logits.float(), 1).cpu().numpy())
            scores.append(t_score[:, 0].float().cpu().numpy())
    return np.concatenate(found).astype(np.float64), np.concatenate(scores).astype(np.float64)


def _inputs(batch: Any) -> tuple[Any, Any, Any, Any]:
    return batch.images[:, 0], batch.images[:, 1], batch.present, batch.covariates


def _loss(labels: npt.NDArray[np.int64], config: ClassifierTraining, device: Any) -> Callable[[Any, Any], Any]:
    """Cross-entropy that weighs classes by their rarity, and the T-score's Huber loss."""
    import torch
    from torch.nn import functional

    counts = np.bincount(labels, minlength=3)
    weight = torch.tensor(counts.sum() / 3 / np.maximum(counts, 1), dtype=torch.float32, device=device)

    def loss(found: Any, batch: Any) -> Any:
        logits, t_score = found
        classes = functional.cross_entropy(logits.float(), batch.labels, weight, label_smoothing=config.label_smoothing)
        return classes + config.t_score_weight * functional.smooth_l1_loss(t_score[:, 0], batch.t_scores)

    return loss


def _one_cycle(share: float) -> float:
    """Warm-up over the first tenth, then a cosine to zero."""
    if share < 0.1:
        return 0.04 + 0.96 * share / 0.1
    return 0.5 * (1 + float(np.cos(np.pi * (share - 0.1) / 0.9))) + 0.002
