"""A plugin can switch off what protects the host from it: its death with the host, its opacity, its filters."""
from doors import LIBC, let_through, opened, verdict


def control(*words):
    def door():
        if LIBC.prctl(*words) < 0:
            raise OSError("refused")
    return door


verdict(opened({
    "dumpable": control(4, 1, 0, 0, 0), "death signal": control(1, 0, 0, 0, 0), "keep capabilities": control(8, 1, 0, 0, 0),
    "tracer": control(0x59616D61, -1, 0, 0, 0), "reaper": control(36, 1, 0, 0, 0), "timer slack": control(29, 1, 0, 0, 0),
    "securebits": control(28, 0, 0, 0, 0), "mce": control(33, 0, 0, 0, 0),
}) + let_through({"seccomp": (99, 0, 0), "personality": (-1,)}))
