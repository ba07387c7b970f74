"""What the attacks share: trying doors, raw system calls, and one line of verdict."""

import ctypes
import errno
import os
import platform
import sys

# Numbers of system calls: x86_64, and the table newer architectures share.
NUMBERS = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "kcmp": (312, 272), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "clone": (56, 220), "clone3": (435, 435), "open_tree": (428, 428), "fsopen": (430, 430),
    "capset": (126, 91), "io_uring_setup": (425, 425), "bpf": (321, 280), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "userfaultfd": (323, 282), "perf_event_open": (298, 241),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "fanotify_init": (300, 262),
    "kexec_load": (246, 104), "init_module": (175, 105), "delete_module": (176, 106), "swapon": (167, 224),
    "acct": (163, 89), "settimeofday": (164, 170), "clock_settime": (227, 112), "reboot": (169, 142),
    "sethostname": (170, 161), "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
    "mlock": (149, 228), "memfd_create": (319, 279), "execveat": (322, 281), "seccomp": (317, 277),
    "personality": (135, 92), "syslog": (103, 116), "quotactl": (179, 60), "lookup_dcookie": (212, 18),
    "mknodat": (259, 33), "socket": (41, 198), "setxattr": (188, 5), "sched_setaffinity": (203, 122),
    "landlock_create_ruleset": (444, 444), "memfd_secret": (447, 447), "sendmsg": (46, 211), "recvmsg": (47, 212),
    "inotify_init1": (294, 26), "signalfd4": (289, 74), "timer_create": (222, 107), "process_madvise": (440, 440),
    "process_vm_writev": (311, 271), "iopl": (172, None), "ioperm": (173, None), "swapoff": (168, 225), "mbind": (237, 235),
    "set_mempolicy": (238, 237), "move_pages": (279, 239), "mlockall": (151, 230), "ioprio_set": (251, 30),
    "sched_setattr": (314, 274), "prlimit64": (302, 261), "clock_adjtime": (305, 266), "move_mount": (429, 429),
    "mount_setattr": (442, 442), "finit_module": (313, 273), "kexec_file_load": (320, 294), "setdomainname": (171, 162),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "vfork": (58, None), "fork": (57, None),
    "semop": (65, 193), "shmat": (30, 196), "mq_unlink": (241, 181), "vhangup": (153, 58), "chroot": (161, 51),
    "fanotify_mark": (301, 263), "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "vmsplice": (278, 75),
    "modify_ldt": (154, None), "landlock_restrict_self": (446, 446), "pidfd_send_signal": (424, 424),
}
COLUMN = 0 if platform.machine() == "x86_64" else 1
LIBC = ctypes.CDLL(None, use_errno=True)


def syscall(name, *arguments):
    """Makes a raw system call; raises OSError as the kernel says."""
    ctypes.set_errno(0)
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result = LIBC.syscall(ctypes.c_long(NUMBERS[name][COLUMN]), *words)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def opened(doors):
    """Tries every door (name -> function); returns those that did not raise."""
    found = []
    for name, door in doors.items():
        try:
            door()
        except (OSError, RuntimeError, ValueError, MemoryError):
            continue
        found.append(name)
    return found


def let_through(calls):
    """Makes system calls with arguments the kernel cannot use, so that nothing happens where they are
    let through. Any answer but "not permitted" or "no such call" means that kernel code looked at the
    arguments. Returns the names of those."""
    found = []
    for name, arguments in calls.items():
        if NUMBERS[name][COLUMN] is None:
            continue
        try:
            syscall(name, *arguments)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOSYS):
                continue
        found.append(name)
    return found


def look():
    """Lets the host look at this process now, and waits until it has."""
    print("LOOK", flush=True)
    sys.stdin.readline()


def tried():
    """The attack was carried out; whether it arrived is for the host to see."""
    print("HELD", flush=True)


def verdict(found):
    """The one line the host reads where only this program can know."""
    print("OPEN " + " ".join(map(str, found)) if found else "HELD", flush=True)
