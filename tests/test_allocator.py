"""Freed memory stays with the process."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from mt.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def use():
    np.ones(1 << 24, np.float32)  # 64 MiB
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the GNU C library can be told")
def test_large_pieces_are_not_faulted_in_again():
    faults = {
        mode: int(subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True).stdout)
        for mode in ("default", "keep")
    }
    assert faults["keep"] < 100 < faults["default"]
