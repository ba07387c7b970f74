"""A plugin can start a process or a thread in namespaces of its own, where it is root."""
import os
from doors import opened, syscall, verdict

FLAGS = {"mount": 0x00020000, "cgroup": 0x02000000, "uts": 0x04000000, "ipc": 0x08000000, "user": 0x10000000,
         "pid": 0x20000000, "net": 0x40000000}


def clone(flags):
    def door():
        pid = syscall("clone", flags | 17, 0, 0, 0, 0)
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    return door


def thread_with_a_namespace():
    # What the kernel would allow to root: VM|SIGHAND|THREAD plus a host name namespace.
    syscall("clone", 0x100 | 0x800 | 0x10000 | 0x04000000, 0, 0, 0, 0)


doors = {f"clone {name}": clone(flag) for name, flag in FLAGS.items()}
if os.getuid() != 0:  # as root this would leave a thread without a stack behind
    doors["thread"] = thread_with_a_namespace
verdict(opened(doors))
