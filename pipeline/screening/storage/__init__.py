"""Folders on object storage and other stores that fsspec knows, fetched before they are screened."""
