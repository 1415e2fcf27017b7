"""One head for every step: plain statistics of crops, and a kernel regression of the T-score."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Floats = npt.NDArray[Any]

FIELDS = 12
"""Fields a side over which a crop is averaged."""

DETAIL_PX = (1.0, 2.0, 4.0)
"""Widths of the Gaussians that part a crop into bands."""

WIDTHS = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Of the kernel that are tried, over the number of features."""

PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""That are tried."""

DETAIL_FIELDS = 3
"""Fields a side over which the energy of a band is averaged."""


def statistics_of(crops: Floats) -> Floats:
    """Features (n, k) of crops (n, views, levels, side, side): means over fields, logarithms of the energy of three
    bands over wider fields, and the spread of grey; each the mean over the levels, view by view."""
    shown = crops.astype(np.float32)
    means = _fields(shown, FIELDS)
    bands, blurred = [], shown
    for width in DETAIL_PX:
        wider = gaussian_filter(shown, (0, 0, 0, width, width))
        bands.append(0.5 * np.log(_fields((blurred - wider) ** 2, DETAIL_FIELDS) + 1e-8))
        blurred = wider
    spread = np.log(shown.std((3, 4)) + 1e-4)[..., None]
    every = np.concatenate((means, *bands, spread), -1)
    return np.asarray(every.mean(2).reshape(len(crops), -1), np.float64)


def _fields(images: Floats, fields: int) -> Floats:
    side = images.shape[-1] // fields
    cut = images[..., : side * fields, : side * fields]
    return np.asarray(
        cut.reshape(*images.shape[:3], fields, side, fields, side).mean((4, 6)).reshape(*images.shape[:3], -1)
    )


def fitted(features: Floats, t_scores: Floats) -> Any:
    """A kernel regression of T-scores (n,) on features (n, k); width and penalty by five-fold cross-validation."""
    grid = {"kernelridge__gamma": [factor / features.shape[1] for factor in WIDTHS], "kernelridge__alpha": PENALTIES}
    model = make_pipeline(StandardScaler(), KernelRidge(kernel="rbf"))
    search = GridSearchCV(model, grid, scoring="neg_mean_squared_error", cv=5)
    centre = float(t_scores.mean())
    search.fit(features, t_scores - centre)
    return lambda others: search.predict(others) + centre
