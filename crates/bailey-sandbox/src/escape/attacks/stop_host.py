"""A plugin can stop a process of the host, so that it never answers again."""
import os, signal
from doors import opened, tried

PID = int(os.environ["CANARY_PID"])
opened({"stop": lambda: os.kill(PID, signal.SIGSTOP), "pause": lambda: os.kill(PID, signal.SIGTSTP)})
tried()
