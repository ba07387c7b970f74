"""A plugin can change the priority or the limits of a process of the host."""
import os, resource
from doors import opened, tried

PID = int(os.environ["CANARY_PID"])


def limits():
    resource.prlimit(PID, resource.RLIMIT_FSIZE, (4096, 4096))


opened({
    "priority": lambda: os.setpriority(os.PRIO_PROCESS, PID, 10), "limits": limits,
    "policy": lambda: os.sched_setscheduler(PID, os.SCHED_IDLE, os.sched_param(0)),
})
tried()
