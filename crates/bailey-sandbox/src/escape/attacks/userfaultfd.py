"""A plugin can hold the kernel in the middle of a copy by answering page faults."""
from doors import let_through, verdict

verdict(let_through({
    "userfaultfd": (0x7000,),
}))
