"""Boxes and covariates to class probabilities. Inference needs onnxruntime alone; training needs the extra 'train'."""
