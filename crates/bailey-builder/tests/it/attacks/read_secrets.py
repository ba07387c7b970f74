#!{python} -I
"""A tool reads the operator's home, the machine's passwords, or the environment of the host."""
import os
found = []
for path in ("{secret}", "/etc/shadow", "/proc/1/root/etc/shadow", "{cache}"):
    try:
        os.listdir(path) if os.path.isdir(path) else open(path).read()
        found.append(path)
    except OSError:
        pass
if "BAILEY_TEST_SECRET" in os.environ:
    found.append("the environment")
for pid in os.listdir("/proc"):
    if pid.isdigit():
        try:
            if "host-secret" in open(f"/proc/{pid}/environ").read():
                found.append("the environment of " + pid)
        except OSError:
            pass
