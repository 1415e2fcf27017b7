"""One training shared by several processes, each with a device and a part of every batch."""
