"""The classifier of a bundle in torch, for Grad-CAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteolens.extras import require
from pipeline.bundle.load import Bundle

if TYPE_CHECKING:
    from classify.network.explain import Explainer


def load_explainer(bundle: Bundle, command: str) -> Explainer:
    """Load the tensors that the ONNX graph shares.

    Args:
        bundle: checked weights.
        command: that asks for it, for the message.

    Raises:
        MissingExtra: torch or another package of the extra 'train' is not installed.
        WeightsError: the tensors do not fit.
    """
    require(command, "torch", "captum", "segmentation_models_pytorch", "safetensors")
    from classify.network.explain import Explainer

    return Explainer(bundle.classifier.parent, bundle.network, bundle.preprocess, bundle.working_px)
