"""A plugin can take precedence over the host: real-time scheduling, priority, input and output class."""
import os
from doors import opened, syscall, verdict


def real_time(policy):
    def door():
        os.sched_setscheduler(0, policy, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return door


verdict(opened({
    "fifo": real_time(os.SCHED_FIFO), "round robin": real_time(os.SCHED_RR), "nice": lambda: os.nice(-1),
    "disk": lambda: syscall("ioprio_set", 1, 0, 1 << 13), "processors": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
}))
