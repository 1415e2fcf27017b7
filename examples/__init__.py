"""Six in-silico studies: data only, the default input of `osteolens process` without a folder."""
