"""A plugin can lock memory, place it, or move it."""
import mmap
from doors import let_through, verdict

verdict(let_through({
    "mlock": (1, 1 << 40), "mlockall": (99,), "mbind": (1, 1, 99, 0, 0, 99), "set_mempolicy": (99, 1, 1),
    "move_pages": (-1, 1, 1, 1, 1, 99), "memfd_secret": (0x7000,),
}))
