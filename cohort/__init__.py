"""The words and the data of OsteoLens: studies, radiographs, boxes, DXA. No torch, no network, no model."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before onnxruntime is loaded: no network at run time
