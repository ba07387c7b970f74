"""A plugin can live on after the host has ended it, by ignoring signals or hiding from the kill."""
import os, signal, time
from doors import opened

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
    signal.signal(number, signal.SIG_IGN)


def hide():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(30)
        os._exit(0)


opened({"hide": hide})
print("LOOK", flush=True)
# Standard input ends, and it does not care.
time.sleep(30)
