"""A plugin can change settings of the kernel or of its control group."""
import os
from doors import opened, verdict

# Opened for writing only: nothing is written where it works, and nothing made where there is none.
verdict(opened({path: lambda path=path: os.close(os.open(path, os.O_WRONLY)) for path in (
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory", "/proc/sysrq-trigger",
    "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/kernel/uevent_helper", "/proc/self/uid_map")}))
