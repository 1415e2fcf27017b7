"""What Mao et al. 2022 print of their patients, to stand beside our figures."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "Mao et al. 2022, doi 10.3389/fendo.2022.971877"


TABLE_1: dict[str, dict[str, float]] = {
    "training": {"n": 5024, "age_mean": 65.3, "age_sd": 9.2, "men": 1594, "bmi_mean": 23.97, "bmi_sd": 3.48,
                 "t_mean": -1.80, "normal": 1442, "osteopenia": 1925, "osteoporosis": 1657},
    "validation": {"n": 628, "age_mean": 65.6, "age_sd": 9.4, "men": 196, "bmi_mean": 24.04, "bmi_sd": 3.73,
                   "t_mean": -1.86, "normal": 180, "osteopenia": 224, "osteoporosis": 224},
    "test1": {"n": 628, "age_mean": 65.3, "age_sd": 9.3, "men": 190, "bmi_mean": 23.93, "bmi_sd": 3.63,
              "t_mean": -1.80, "normal": 191, "osteopenia": 226, "osteoporosis": 211},
    "test2": {"n": 628, "age_mean": 65.6, "age_sd": 10.0, "men": 169, "bmi_mean": 23.96, "bmi_sd": 3.38,
              "t_mean": -1.92, "normal": 191, "osteopenia": 226, "osteoporosis": 211},
    "total": {"n": 6908, "age_mean": 65.4, "age_sd": 9.3, "men": 2149, "bmi_mean": 23.97, "bmi_sd": 3.51,
              "t_mean": -1.82, "normal": 2004, "osteopenia": 2601, "osteoporosis": 2302},
}  # fmt: skip
"""Table 1: people by part."""


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One line of Table 2 (images alone) or Table 4 (with age, sex and BMI): osteoporosis against the rest.

    AUC with its printed interval; sensitivity, specificity, PPV and NPV in percent.
    """

    table: int
    dataset: str
    projection: str
    auc: float
    auc_low: float
    auc_high: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float


ROWS = (
    PaperRow(2, "validation", "AP", 0.904, 0.877, 0.925, 82.14, 85.64, 76.03, 89.64),
    PaperRow(2, "validation", "LAT", 0.889, 0.861, 0.912, 75.45, 85.64, 74.45, 86.28),
    PaperRow(2, "validation", "AP and LAT", 0.937, 0.914, 0.954, 84.82, 86.63, 77.87, 91.15),
    PaperRow(2, "test1", "AP", 0.889, 0.861, 0.912, 81.52, 81.77, 69.35, 89.74),
    PaperRow(2, "test1", "LAT", 0.911, 0.885, 0.932, 80.09, 86.09, 74.45, 89.53),
    PaperRow(2, "test1", "AP and LAT", 0.933, 0.909, 0.950, 82.94, 85.85, 74.79, 90.86),
    PaperRow(2, "test2", "AP", 0.892, 0.864, 0.915, 80.48, 81.10, 68.15, 89.21),
    PaperRow(2, "test2", "LAT", 0.874, 0.845, 0.898, 73.81, 81.34, 66.52, 86.08),
    PaperRow(2, "test2", "AP and LAT", 0.909, 0.883, 0.930, 81.90, 82.54, 70.20, 90.08),
    PaperRow(4, "validation", "AP", 0.922, 0.897, 0.941, 73.21, 92.57, 84.54, 86.18),
    PaperRow(4, "validation", "LAT", 0.926, 0.901, 0.944, 81.70, 86.88, 77.54, 89.54),
    PaperRow(4, "validation", "AP and LAT", 0.928, 0.904, 0.947, 75.00, 92.08, 84.00, 86.92),
    PaperRow(4, "test1", "AP", 0.928, 0.904, 0.946, 73.93, 90.17, 79.19, 87.24),
    PaperRow(4, "test1", "LAT", 0.930, 0.907, 0.949, 81.52, 88.73, 78.54, 90.46),
    PaperRow(4, "test1", "AP and LAT", 0.943, 0.921, 0.960, 75.36, 91.61, 81.96, 88.02),
    PaperRow(4, "test2", "AP", 0.912, 0.887, 0.933, 68.57, 92.34, 81.82, 85.40),
    PaperRow(4, "test2", "LAT", 0.905, 0.878, 0.926, 70.00, 88.76, 75.77, 85.48),
    PaperRow(4, "test2", "AP and LAT", 0.915, 0.889, 0.935, 69.05, 92.58, 82.39, 85.62),
)

CONFUSION: dict[str, tuple[tuple[int, int, int], ...]] = {
    "validation": ((105, 71, 4), (14, 160, 50), (0, 34, 190)),
    "test1": ((110, 79, 2), (25, 144, 57), (0, 36, 175)),
    "test2": ((121, 76, 12), (19, 129, 61), (2, 36, 172)),
}
"""Table 3 (AP and LAT, images alone): rows by truth, columns by prediction, both normal, osteopenia, osteoporosis."""
