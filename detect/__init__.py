"""Radiograph to levelled boxes. Inference needs onnxruntime alone; training needs the extra 'train'."""
