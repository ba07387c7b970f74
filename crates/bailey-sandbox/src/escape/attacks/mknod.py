"""A plugin can make a device file."""
import os, stat
from doors import opened, verdict


def device(kind, number):
    def door():
        os.mknod("/tmp/bailey-escape-node", kind | 0o600, number)
        os.unlink("/tmp/bailey-escape-node")
    return door


verdict(opened({"null": device(stat.S_IFCHR, os.makedev(1, 3)), "disk": device(stat.S_IFBLK, os.makedev(254, 0))}))
