"""A plugin can start another process."""
import os, subprocess, sys
from doors import opened, verdict


def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def spawn():
    os.waitpid(os.posix_spawn(sys.executable, [sys.executable, "-c", "pass"], {}), 0)


verdict(opened({
    "fork": fork, "spawn": spawn, "subprocess": lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
    "shell": lambda: subprocess.check_output("true", shell=True),
}))
