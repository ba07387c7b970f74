"""A plugin can read the passwords of the host or what only its administrator may see."""
import os
from doors import opened, verdict

verdict(opened({
    "shadow": lambda: open("/etc/shadow").read(), "gshadow": lambda: open("/etc/gshadow").read(),
    "root": lambda: os.listdir("/root"), "passwords before": lambda: open("/etc/shadow-").read(),
}))
