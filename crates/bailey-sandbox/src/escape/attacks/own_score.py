"""A plugin can choose who is killed when memory runs out, or change other accounts the kernel keeps of it."""
from doors import opened, verdict


def write(path, text):
    def door():
        with open(path, "w") as file:
            file.write(text)
    return door


verdict(opened({
    "score": write("/proc/self/oom_score_adj", "0"), "group": write("/proc/self/autogroup", "0"),
    "filter": write("/proc/self/coredump_filter", "0"), "timer": write("/proc/self/timerslack_ns", "50000"),
    "reset": write("/proc/self/clear_refs", "1"),
}))
