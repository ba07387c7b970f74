"""A plugin can watch files, catch signals or set timers through calls it has no use for."""
from doors import let_through, verdict

verdict(let_through({
    "inotify_init1": (0x7000,), "signalfd4": (-1, 1, 8, 0x7000), "timer_create": (99, 1, 1), "setxattr": (1, 1, 1, 0, 0),
    "landlock_create_ruleset": (1, 1, 0), "landlock_restrict_self": (-1, 99), "memfd_create": (1, 0), "vmsplice": (-1, 1, 1, 99),
    "modify_ldt": (99, 1, 0),
}))
