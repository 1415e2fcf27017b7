"""An evaluation as one page with tables and figures."""
