"""The classifier as torch sees it: network, checkpoint, export, Grad-CAM. Needs the extra 'train'."""
