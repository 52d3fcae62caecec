"""What the system says of a process (Linux): processor time and memory."""

import os
import re
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid: int) -> float:
    """User and system time, proc(5): fields 14 and 15 of stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def memory(pid: int, what: str = "Rss") -> float:
    """MB; `what` as in smaps_rollup: Rss, Pss."""
    found = re.search(rf"^{what}: +(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found, f"no {what} of {pid}"
    return int(found[1]) * 1024 / 1e6
