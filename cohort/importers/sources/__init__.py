"""Files of a source: documents, zips, folders of images, tables."""
