"""A plugin can run a program: the interpreter, a shell, whatever a library starts for it."""
import os, subprocess, sys
from doors import opened, verdict


def spawn():
    os.waitpid(os.posix_spawn(sys.executable, [sys.executable, "-c", "pass"], {}), 0)


def without_vfork():
    subprocess._USE_VFORK = False
    subprocess.run([sys.executable, "-c", "pass"], check=True)


verdict(opened({
    "spawn": spawn, "subprocess": lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
    "shell": lambda: subprocess.check_output("true", shell=True), "without vfork": without_vfork,
}))
