"""A plugin can set the clock or the names of the machine, or write its own accounts."""
from doors import let_through, verdict

verdict(let_through({
    "acct": (1,), "settimeofday": (1, 0), "clock_settime": (99, 1), "clock_adjtime": (99, 1), "sethostname": (1, -1),
    "setdomainname": (1, -1),
}))
