"""Radiograph to level-labelled boxes. Inference needs onnxruntime alone; training needs the extra 'train'."""
