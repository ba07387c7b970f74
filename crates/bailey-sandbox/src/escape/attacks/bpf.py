"""A plugin can load programs into the kernel."""
from doors import let_through, verdict

verdict(let_through({
    "bpf": (99, 1, 0),
}))
