"""A plugin reaches parts of the kernel it has no use for. Any answer but "not permitted" or "no
such call" means that the call was let through to code that then looked at the arguments."""
import errno
from doors import NUMBERS, LIBC, syscall, verdict

# Arguments no kernel code accepts, so that the calls do nothing where they are let through.
BAD = 1
CALLS = {
    "io_uring_setup": (1, BAD), "bpf": (99, BAD, 0), "keyctl": (99, 0), "add_key": (BAD, BAD, BAD, 1, 0),
    "request_key": (BAD, BAD, BAD, 0), "userfaultfd": (0x7000,), "perf_event_open": (BAD, 0, 0, -1, 0),
    "open_by_handle_at": (-1, BAD, 0), "name_to_handle_at": (-1, BAD, BAD, BAD, 0), "fanotify_init": (0x7FFFFFFF, 0),
    "kexec_load": (0, 99, BAD, 0x7FFF), "init_module": (BAD, 1, BAD), "delete_module": (BAD, 0), "swapon": (BAD, 0),
    "acct": (BAD,), "settimeofday": (BAD, 0), "clock_settime": (99, BAD), "reboot": (0, 0, 0, 0),
    "sethostname": (BAD, -1), "shmget": (0, 0, 0), "semget": (0, -1, 0), "msgget": (99, 0), "mq_open": (BAD, 0, 0, 0),
    "mlock": (BAD, 1 << 40), "memfd_create": (BAD, 0), "seccomp": (99, 0, 0), "personality": (-1,), "syslog": (99, 0, 0),
    "quotactl": (-1, BAD, 0, 0), "mknodat": (-1, BAD, 0, 0), "setxattr": (BAD, BAD, BAD, 0, 0), "open_tree": (-1, BAD, 0),
    "landlock_create_ruleset": (BAD, 1, 0), "memfd_secret": (0x7000,), "sendmsg": (-1, BAD, 0), "recvmsg": (-1, BAD, 0),
    "inotify_init1": (0x7000,), "signalfd4": (-1, BAD, 8, 0x7000), "timer_create": (99, BAD, BAD),
    "process_madvise": (-1, BAD, 1, 0, 0), "socket": (99, 99, 99),
}
found = []
for name, arguments in CALLS.items():
    try:
        syscall(name, *arguments)
        found.append(name)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOSYS):
            found.append(name)
# The same calls by their x32 numbers.
NUMBERS["x32 getpid"] = (39 | 0x40000000, 172 | 0x40000000)
try:
    syscall("x32 getpid")
    found.append("x32")
except OSError:
    pass
verdict(found)
