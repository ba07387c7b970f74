"""A plugin can change a file outside its /tmp."""
import os
from doors import opened, verdict

HERE = os.getcwd()


def write(path, mode="w"):
    def door():
        with open(path, mode) as file:
            file.write("0")
        os.unlink(path)
    return door


def set_score():
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("0")


verdict(opened({
    "plugin": write(HERE + "/new"), "itself": lambda: open(HERE + "/__main__.py", "a").close(),
    "mode": lambda: os.chmod(HERE + "/__main__.py", 0o600), "packages": write("/packages/new"), "top": write("/bailey-new"),
    "etc": write("/etc/bailey-new"), "usr": write("/usr/lib/bailey-new"), "dev": write("/dev/bailey-new"),
    "score": set_score, "random": lambda: open("/dev/urandom", "wb").close(),
    "kernel": lambda: open("/proc/sys/kernel/core_pattern", "a").close(),
    "cgroup": lambda: open("/sys/fs/cgroup/cgroup.procs", "a").close(), "memory": lambda: open("/proc/self/mem", "r+b").close(),
    "device-node": lambda: os.mknod("/tmp/bailey-node", 0o20666, os.makedev(1, 3)) or os.unlink("/tmp/bailey-node"),
}))
