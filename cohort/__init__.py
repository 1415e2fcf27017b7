"""The words and the data of OsteoLens: studies, radiographs, boxes, DXA. No torch, no network, no model."""
