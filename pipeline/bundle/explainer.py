"""The classifier of a bundle in torch, for Grad-CAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteolens.errors import WeightsError
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
        WeightsError: the tensors do not fit, or the classifier is an ensemble.
    """
    require(command, "torch", "captum", "segmentation_models_pytorch", "safetensors")
    check_one_network(bundle, "Grad-CAM")
    from classify.network.explain import Explainer

    return Explainer(bundle.classifier.parent, bundle.network, bundle.preprocess, bundle.working_px)


def check_one_network(bundle: Bundle, purpose: str) -> None:
    """Refuse an ensemble for what takes the tensors of one network.

    Args:
        bundle: checked weights.
        purpose: what they are for, for the message.

    Raises:
        WeightsError: the classifier is an ensemble.
    """
    if bundle.members:
        raise WeightsError(
            f"weights {bundle.version}: the classifier is the mean of {bundle.members} networks; {purpose} needs one; "
            "give the weights of a member"
        )
