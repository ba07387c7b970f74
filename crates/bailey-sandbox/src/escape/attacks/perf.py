"""A plugin can watch the processor and the kernel through performance events."""
from doors import let_through, verdict

verdict(let_through({
    "perf_event_open": (1, 0, 0, -1, 0), "syslog": (99, 0, 0),
}))
