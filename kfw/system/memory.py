"""How much memory this process holds."""

import os
import resource
import sys
from pathlib import Path


def rss_bytes() -> int | None:
    """Resident set size in bytes, None where it cannot be read. Linux: field 2 of /proc/self/statm; elsewhere the peak,
    all there is."""
    if sys.platform == "linux":
        try:
            return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:  # no more files can be opened
            return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
