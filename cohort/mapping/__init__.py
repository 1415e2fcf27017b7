"""Tables as hospitals have them: what their columns hold, by columns.yaml, and proposals of it."""
