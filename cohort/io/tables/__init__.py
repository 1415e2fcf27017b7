"""Tables as people write them: cohort.csv, dxa.csv, rois.csv, readers.csv and manifests."""
