"""Names of the columns of every table that OsteoLens reads and writes."""

from __future__ import annotations

from cohort.spine import TARGET_LEVELS, VertebralLevel

KEY_COLUMNS = ("study_uid", "patient_id")

IMAGE_COLUMNS = ("ap", "lateral")
"""Of a manifest: paths of the images."""

COVARIATE_COLUMNS = ("age_years", "sex", "height_cm", "weight_kg", "bmi_kg_m2")

LEVEL_T_SCORE_COLUMNS: dict[VertebralLevel, str] = {level: f"t_score_{level}" for level in TARGET_LEVELS}

DXA_COLUMNS = (
    *("t_score", "bmd_g_cm2", *LEVEL_T_SCORE_COLUMNS.values(), "dxa_date", "dxa_reference"),
    *("reference_mean_g_cm2", "reference_sd_g_cm2"),
)
"""Of cohort.csv and of dxa.csv."""

FINDING_COLUMNS = (
    *("menopause_age_years", "implant", "fracture_grade", "fractures", "cobb_deg", "exposure"),
    "lumbar_count",
)

COHORT_COLUMNS = (
    *KEY_COLUMNS,
    *COVARIATE_COLUMNS,
    *("site", "split"),
    *DXA_COLUMNS,
    *("machine", "study_date", "pixel_spacing_mm"),
    *FINDING_COLUMNS,
)
"""Of cohort.csv, in the order in which it is written."""

CORNER_COLUMNS = ("x0", "y0", "x1", "y1")

ROI_COLUMNS = (*("study_uid", "view", "level"), *CORNER_COLUMNS)
"""Of rois.csv."""

READER_COLUMN = "reader"
"""Of readers.csv, beside those of rois.csv."""

DAY_COLUMNS = ("study_date", "dxa_date", "birth_date")

COLUMNS = (*COHORT_COLUMNS, "birth_date", *IMAGE_COLUMNS, READER_COLUMN, *ROI_COLUMNS[1:])
"""All of them; other case, blanks, hyphens and brackets in a header name them too."""
