"""Where the classifier looked: Grad-CAM of osteoporosis by view, on the radiograph. Needs the extra 'train'."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from captum.attr import LayerGradCam

from classify.config import NetworkSpec, PreprocessSpec
from classify.covariates import encode
from classify.crop import CropPlaces, crop_corners
from classify.inputs import branch_name
from classify.network.checkpoint import load_network
from classify.network.densenet import DualChannelDenseNet, column_margin
from cohort.bmd import OSTEOPOROSIS_INDEX
from cohort.covariates import Covariates
from cohort.spine import View
from osteolens.letterbox import Letterbox

Image = npt.NDArray[np.float32]


class Explainer:
    """The shipped network in torch, kept for a whole folder."""

    def __init__(self, folder: Path, network: NetworkSpec, spec: PreprocessSpec, working_px: int) -> None:
        """Load the tensors that the ONNX graph shares.

        Args:
            folder: of the weights.
            network: inputs it was trained with.
            spec: its preprocessing.
            working_px: side that crops are averaged down to.

        Raises:
            WeightsError: the tensors do not fit.
        """
        self._spec = spec
        self._shrink = max(1, spec.size_px // working_px)
        self._network = DualChannelDenseNet(network).eval()
        load_network(self._network, folder)
        maps = self._network.last_maps
        self._cams = {
            view: LayerGradCam(lambda *inputs: self._network(*inputs)[0], maps[branch_name(view)])
            for view in View
            if branch_name(view) in maps
        }

    def maps(
        self,
        inputs: Mapping[View, Image],
        places: Mapping[View, CropPlaces],
        covariates: Covariates,
    ) -> dict[View, Image]:
        """Heat (rows, columns) in [0, 1] on each radiograph: what raised the score of osteoporosis, and where.

        Args:
            inputs: (crops, size, size) by view, as the classifier got them.
            places: where the crops lie.
            covariates: as the classifier got them.

        Source: Selvaraju 2017, by captum's LayerGradCam on the last feature map.
        """
        size = self._spec.size_px
        empty = np.zeros((self._spec.crops, size, size), np.float32)
        pool = torch.nn.AvgPool2d(self._shrink)
        images = [pool(torch.from_numpy(inputs.get(view, empty)[None])) for view in View]
        present = torch.tensor([[float(view in inputs) for view in View]])
        known = torch.from_numpy(encode(covariates)[None])
        maps = {}
        for view, cam in self._cams.items():
            if view in inputs:
                seen = (*images, present, known)
                heat = cam.attribute(seen, target=OSTEOPOROSIS_INDEX, relu_attributions=True)
                maps[view] = self._on_radiograph(heat.detach().numpy()[:, 0], places[view])
        return maps

    def _on_radiograph(self, heat: Image, places: CropPlaces) -> Image:
        """Heat of each crop (crops, h, w) at its place."""
        out = np.zeros(places.shape, np.float32)
        column = self._spec.roi == "column"
        shown = [places.levels] if column else [(level,) for level in places.levels]
        for crop_heat, levels in zip(heat, shown, strict=True):
            part = crop_heat[:, ::-1] if places.mirrored else crop_heat
            corners = crop_corners(places.shape, places.detection, levels, self._spec)
            x0, y0, x1, y1 = (int(v) for v in (*np.floor(corners[:2]), *np.ceil(corners[2:])))
            size = self._spec.size_px
            margin = column_margin(size) if column else 0
            square = np.zeros((size, size), np.float32)
            square[:, margin : size - margin] = cv2.resize(part, (size - 2 * margin, size))
            crop = Letterbox.of((y1 - y0, x1 - x0), size).inside(square)
            out[y0:y1, x0:x1] = np.maximum(out[y0:y1, x0:x1], cv2.resize(crop, (x1 - x0, y1 - y0)))
        return np.asarray(out / max(float(out.max()), 1e-9), np.float32)
