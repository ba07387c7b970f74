"""A plugin can leave its namespaces for new ones."""
from doors import NUMBERS, let_through, opened, syscall, verdict

FLAGS = {"mount": 0x00020000, "cgroup": 0x02000000, "uts": 0x04000000, "ipc": 0x08000000, "user": 0x10000000,
         "pid": 0x20000000, "net": 0x40000000, "files": 0x400}
# With a flag that is none, so that nothing changes where the call is let through.
found = let_through({"unshare": (1,)})
found += opened({name: lambda flag=flag: syscall("unshare", flag) for name, flag in FLAGS.items()})
verdict(found)
