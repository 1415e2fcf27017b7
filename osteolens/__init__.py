"""OsteoLens: low bone density from lumbar radiographs. Research use; not a medical device.

The public names are loaded when they are first used (SPEC 1), so that `import osteolens` costs little; their types
stand in `__init__.pyi`.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PUBLIC = {
    "Screener": "pipeline.screening.screener",
    "screen_folder": "pipeline.screening.folder",
    "load_predictions": "pipeline.evaluation.studies.results",
    "evaluate": "pipeline.evaluation.evaluate",
    "compare_rois": "pipeline.roi_comparison.compare",
    "train_detector": "pipeline.training.detector",
    "train_segmenter": "pipeline.training.segmenter",
    "train_classifier": "pipeline.training.classifier",
    "simulate_cohort": "phantom.cohort",
    "index_cohort": "cohort.io.folder",
    "read_radiograph": "cohort.io.radiograph",
    "Study": "cohort.study",
    "Radiograph": "cohort.study",
    "Covariates": "cohort.covariates",
    "Prediction": "pipeline.prediction",
    "VertebraBox": "cohort.spine",
    "View": "cohort.spine",
    "VertebralLevel": "cohort.spine",
    "BmdClass": "cohort.bmd",
}
"""Where each public name is defined."""

OURS = ("cohort", "detect", "classify", "phantom", "pipeline", "cli")
"""Top-level packages that are installed beside this one."""

__all__ = [*PUBLIC, "__version__", "errors"]  # noqa: PLE0604


def _refuse_if_hidden() -> None:
    """Refuse to go on when a module of another origin has the name of one of our packages.

    Raises:
        ImportError: with the path of the module that hides ours.
    """
    home = Path(__file__).resolve().parent.parent
    for name in OURS:
        spec = find_spec(name)
        places = [] if spec is None else [spec.origin or "", *(spec.submodule_search_locations or ())]
        where = next((place for place in places if place), None)
        if where is not None and not Path(where).resolve().is_relative_to(home / name):
            raise ImportError(
                f"osteolens: {where} hides the package {name!r} of OsteoLens; expected {home / name}; rename it, or "
                "start Python from another folder"
            )


_refuse_if_hidden()


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("osteolens.errors")
    if name == "__version__":
        from importlib.metadata import version

        return version("osteolens")
    if name in PUBLIC:
        return getattr(import_module(PUBLIC[name]), name)
    raise AttributeError(f"module 'osteolens' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
