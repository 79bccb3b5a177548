"""Give a worker a wall clock that can jump while it runs. Its monotonic clock is unchanged, as on a real machine.

Python imports this module first if its folder is on PYTHONPATH. The file named by FAULTS_CLOCK holds the seconds to
add, as a double. (libfaketime 0.9.10 is not usable: with an unchanged monotonic clock it breaks time.sleep.)
"""

import mmap
import os
import struct
import time

if path := os.environ.get("FAULTS_CLOCK"):
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib would slow each start down
        shared = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    true_time, true_time_ns = time.time, time.time_ns

    def shifted_time() -> float:
        offset_s: float = struct.unpack("d", shared[:8])[0]
        return true_time() + offset_s

    def shifted_time_ns() -> int:
        offset_s: float = struct.unpack("d", shared[:8])[0]
        return true_time_ns() + round(offset_s * 1e9)

    time.time, time.time_ns = shifted_time, shifted_time_ns
