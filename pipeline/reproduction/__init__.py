"""The six models of Mao et al. 2022, trained and evaluated on one cohort."""
