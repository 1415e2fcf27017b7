"""The calibration of finished weights fitted anew on a site's own studies with DXA; networks stay as they are."""
