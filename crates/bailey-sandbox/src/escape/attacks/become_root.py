"""A plugin can become root or join groups."""
import os
from doors import opened, verdict

verdict(opened({
    "user": lambda: os.setuid(0), "group": lambda: os.setgid(0), "groups": lambda: os.setgroups([0]),
    "saved user": lambda: os.setresuid(-1, -1, 0), "effective": lambda: os.seteuid(0), "initial groups": lambda: os.initgroups("root", 0),
}))
