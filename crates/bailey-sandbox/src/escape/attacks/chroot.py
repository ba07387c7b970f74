"""A plugin can change its root, and leave the new one for the host's."""
import os
from doors import opened, verdict

verdict(opened({"root": lambda: os.chroot("/"), "here": lambda: os.chroot(".")}))
