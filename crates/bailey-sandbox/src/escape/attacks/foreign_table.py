"""A plugin can use the system calls of another table, whose numbers the filter does not know."""
from doors import NUMBERS, opened, syscall, verdict

# x32: the calls of x86_64 with bit 30 set.
NUMBERS["getpid"], NUMBERS["socket x32"] = (39 | 0x40000000, 172 | 0x40000000), (41 | 0x40000000, 198 | 0x40000000)
verdict(opened({"getpid": lambda: syscall("getpid"), "socket": lambda: syscall("socket x32", 2, 1, 0)}))
