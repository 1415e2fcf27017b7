"""Explanations need the extra 'train', and say so before anything is loaded."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from osteolens.errors import MissingExtra
from pipeline.bundle.load import Bundle
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.screener import Screener


@pytest.mark.parametrize("package", ["torch", "captum", "segmentation_models_pytorch", "safetensors"])
def test_a_missing_package_is_named(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setattr("osteolens.extras.find_spec", lambda name: None if name == package else find_spec("json"))
    with pytest.raises(MissingExtra, match=f"process --explain needs the package {package.replace('_', '-')}"):
        Screener(bundle, ScreeningConfig(explain=True))
