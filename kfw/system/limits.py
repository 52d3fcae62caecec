"""What this process may have: more open files than a shell's default, one for each end of a connection."""

import resource
import sys

#: macOS says "unlimited" and means OPEN_MAX of <sys/syslimits.h>.
_OPEN_MAX = 10240


def raise_open_files() -> None:
    """The soft limit becomes the hard one, which every process may do for itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard
    if sys.platform == "darwin":
        wanted = _OPEN_MAX if hard == resource.RLIM_INFINITY else min(hard, _OPEN_MAX)
    if soft != wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
