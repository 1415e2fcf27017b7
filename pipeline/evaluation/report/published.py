"""Tables of Mao et al. 2022, for comparison with the metrics of a run."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.evaluation.statistics.intervals import Estimate

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
"""Table 1: patients by dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRow:
    """One line of Table 2 (images alone) or Table 4 (with age, sex and BMI): osteoporosis against the rest.

    AUC with its printed interval; sensitivity, specificity, PPV and NPV in percent.
    """

    table: int
    dataset: str
    projection: str
    auc: Estimate
    sensitivity: float
    specificity: float
    ppv: float
    npv: float


ROWS = (
    PaperRow(
        table=2,
        dataset="validation",
        projection="AP",
        auc=Estimate(0.904, 0.877, 0.925),
        sensitivity=82.14,
        specificity=85.64,
        ppv=76.03,
        npv=89.64,
    ),
    PaperRow(
        table=2,
        dataset="validation",
        projection="LAT",
        auc=Estimate(0.889, 0.861, 0.912),
        sensitivity=75.45,
        specificity=85.64,
        ppv=74.45,
        npv=86.28,
    ),
    PaperRow(
        table=2,
        dataset="validation",
        projection="AP and LAT",
        auc=Estimate(0.937, 0.914, 0.954),
        sensitivity=84.82,
        specificity=86.63,
        ppv=77.87,
        npv=91.15,
    ),
    PaperRow(
        table=2,
        dataset="test1",
        projection="AP",
        auc=Estimate(0.889, 0.861, 0.912),
        sensitivity=81.52,
        specificity=81.77,
        ppv=69.35,
        npv=89.74,
    ),
    PaperRow(
        table=2,
        dataset="test1",
        projection="LAT",
        auc=Estimate(0.911, 0.885, 0.932),
        sensitivity=80.09,
        specificity=86.09,
        ppv=74.45,
        npv=89.53,
    ),
    PaperRow(
        table=2,
        dataset="test1",
        projection="AP and LAT",
        auc=Estimate(0.933, 0.909, 0.950),
        sensitivity=82.94,
        specificity=85.85,
        ppv=74.79,
        npv=90.86,
    ),
    PaperRow(
        table=2,
        dataset="test2",
        projection="AP",
        auc=Estimate(0.892, 0.864, 0.915),
        sensitivity=80.48,
        specificity=81.10,
        ppv=68.15,
        npv=89.21,
    ),
    PaperRow(
        table=2,
        dataset="test2",
        projection="LAT",
        auc=Estimate(0.874, 0.845, 0.898),
        sensitivity=73.81,
        specificity=81.34,
        ppv=66.52,
        npv=86.08,
    ),
    PaperRow(
        table=2,
        dataset="test2",
        projection="AP and LAT",
        auc=Estimate(0.909, 0.883, 0.930),
        sensitivity=81.90,
        specificity=82.54,
        ppv=70.20,
        npv=90.08,
    ),
    PaperRow(
        table=4,
        dataset="validation",
        projection="AP",
        auc=Estimate(0.922, 0.897, 0.941),
        sensitivity=73.21,
        specificity=92.57,
        ppv=84.54,
        npv=86.18,
    ),
    PaperRow(
        table=4,
        dataset="validation",
        projection="LAT",
        auc=Estimate(0.926, 0.901, 0.944),
        sensitivity=81.70,
        specificity=86.88,
        ppv=77.54,
        npv=89.54,
    ),
    PaperRow(
        table=4,
        dataset="validation",
        projection="AP and LAT",
        auc=Estimate(0.928, 0.904, 0.947),
        sensitivity=75.00,
        specificity=92.08,
        ppv=84.00,
        npv=86.92,
    ),
    PaperRow(
        table=4,
        dataset="test1",
        projection="AP",
        auc=Estimate(0.928, 0.904, 0.946),
        sensitivity=73.93,
        specificity=90.17,
        ppv=79.19,
        npv=87.24,
    ),
    PaperRow(
        table=4,
        dataset="test1",
        projection="LAT",
        auc=Estimate(0.930, 0.907, 0.949),
        sensitivity=81.52,
        specificity=88.73,
        ppv=78.54,
        npv=90.46,
    ),
    PaperRow(
        table=4,
        dataset="test1",
        projection="AP and LAT",
        auc=Estimate(0.943, 0.921, 0.960),
        sensitivity=75.36,
        specificity=91.61,
        ppv=81.96,
        npv=88.02,
    ),
    PaperRow(
        table=4,
        dataset="test2",
        projection="AP",
        auc=Estimate(0.912, 0.887, 0.933),
        sensitivity=68.57,
        specificity=92.34,
        ppv=81.82,
        npv=85.40,
    ),
    PaperRow(
        table=4,
        dataset="test2",
        projection="LAT",
        auc=Estimate(0.905, 0.878, 0.926),
        sensitivity=70.00,
        specificity=88.76,
        ppv=75.77,
        npv=85.48,
    ),
    PaperRow(
        table=4,
        dataset="test2",
        projection="AP and LAT",
        auc=Estimate(0.915, 0.889, 0.935),
        sensitivity=69.05,
        specificity=92.58,
        ppv=82.39,
        npv=85.62,
    ),
)

CONFUSION: dict[str, tuple[tuple[int, int, int], ...]] = {
    "validation": ((105, 71, 4), (14, 160, 50), (0, 34, 190)),
    "test1": ((110, 79, 2), (25, 144, 57), (0, 36, 175)),
    "test2": ((121, 76, 12), (19, 129, 61), (2, 36, 172)),
}
"""Table 3 (AP and LAT, images alone): rows by truth, columns by prediction, both normal, osteopenia, osteoporosis."""
