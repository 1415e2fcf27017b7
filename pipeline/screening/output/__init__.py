"""Files of a screening run: tables, pictures, the page, and the record of the run."""
