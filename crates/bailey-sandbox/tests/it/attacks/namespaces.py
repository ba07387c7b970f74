"""A plugin can make or enter namespaces, mount, or change its root."""
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


# Every call is invalid in itself, so that it changes nothing where it is let through: what counts
# is that the answer is "not permitted" and not a word about the arguments.
def refused(name, *arguments):
    def door():
        try:
            syscall(name, *arguments)
        except OSError as error:
            if error.errno == 1:
                raise
    return door


doors = {f"unshare {name}": refused("unshare", flag | 1) for name, flag in FLAGS.items()}
doors |= {f"clone {name}": clone(flag) for name, flag in FLAGS.items()}
doors |= {
    "setns": refused("setns", -1, 0), "mount": refused("mount", 1, 1, 1, 0, 0), "umount": refused("umount2", 1, 99),
    "open_tree": refused("open_tree", -1, 1, 0), "fsopen": refused("fsopen", 1, 99), "pivot": refused("pivot_root", 1, 1),
    "chroot": lambda: os.chroot("/"),
}
if os.getuid() != 0:  # as root this would leave a thread without a stack behind
    doors["thread"] = thread_with_a_namespace
verdict(opened(doors))
