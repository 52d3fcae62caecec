"""In a process of its own, as it changes the whole process."""

import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource
from kfw.system.loop import expect_fast_streams
expect_fast_streams()
def turn():
    [bytearray(256 * 1024) for _ in range(6)]
turn()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(200):
    turn()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc's allocator that is told so")
def test_large_blocks_that_come_again_and_again_are_no_page_faults():
    faults = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS], check=True, stdout=subprocess.PIPE, text=True
    )
    assert int(faults.stdout) < 200  # some 75,000 without
