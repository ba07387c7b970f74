"""A plugin can raise its own limits."""
import resource
from doors import opened, verdict


def raise_limit(name):
    def door():
        _, hard = resource.getrlimit(name)
        if hard != resource.RLIM_INFINITY:
            resource.setrlimit(name, (hard + 1, hard + 1))
    return door


verdict(opened({name: raise_limit(getattr(resource, "RLIMIT_" + name)) for name in (
    "NOFILE", "FSIZE", "CORE", "MEMLOCK", "NPROC", "MSGQUEUE", "NICE", "RTPRIO", "SIGPENDING")}))
