"""How large computations on a CPU use memory."""

from __future__ import annotations

import ctypes


def keep_freed_memory() -> None:
    """Have glibc reuse large blocks instead of giving them back, which costs page faults at every layer.

    Training the classifier on two cores, a step of 16 patients at 256 px: about 2.1 s instead of 2.8 to 3.6 s; the
    segmenter: about 110 crops a second instead of 70. Without glibc nothing happens.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mmap_max, trim_threshold, top_pad = -4, -1, -2
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(top_pad, 2**28)
