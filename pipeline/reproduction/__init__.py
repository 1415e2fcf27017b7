"""The paper's six models on one cohort."""
