"""A plugin can read the memory of a process of the host."""
import os, re
from doors import opened, tried

PID = os.environ["CANARY_PID"]


def stack():
    for line in open(f"/proc/{PID}/maps"):
        if "[stack]" in line:
            start, end = (int(word, 16) for word in line.split()[0].split("-"))
            with open(f"/proc/{PID}/mem", "rb", buffering=0) as memory:
                memory.seek(start)
                print(re.findall(rb"secret-[0-9a-f]+", memory.read(end - start)))


opened({"stack": stack})
tried()
