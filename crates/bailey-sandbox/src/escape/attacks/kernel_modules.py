"""A plugin can load code into the kernel, replace it, or restart the machine."""
from doors import let_through, verdict

verdict(let_through({
    "kexec_load": (0, 99, 1, 0x7FFF), "kexec_file_load": (-1, -1, 0, 1, 99), "init_module": (1, 1, 1), "finit_module": (-1, 1, 99),
    "delete_module": (1, 0), "reboot": (0, 0, 0, 0), "swapon": (1, 99), "swapoff": (1,), "iopl": (99,), "ioperm": (1 << 40, 1 << 40, 0),
}))
