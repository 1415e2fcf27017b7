"""Known groups: what estimated T-scores must show in radiographs with age and sex and without DXA."""
