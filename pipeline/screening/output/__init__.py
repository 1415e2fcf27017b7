"""What a screening run leaves: tables, pictures, the page, and the record of the run."""
