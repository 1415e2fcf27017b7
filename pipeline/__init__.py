"""Detection and classification together: screening, training, evaluation, comparison of ROIs, audit, reproduction."""
