"""A plugin can have system calls made past the filter by a queue in memory."""
from doors import let_through, verdict

verdict(let_through({
    "io_uring_setup": (1, 1), "io_uring_enter": (-1, 0, 0, 99, 0, 0), "io_uring_register": (-1, 99, 1, 0),
}))
