"""Files into studies and radiographs: every image, table and folder is read here, with limits."""
