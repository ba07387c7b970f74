"""A plugin can copy the memory of another process through the kernel."""
import ctypes, os, re
from doors import let_through, opened, syscall, verdict

PID = int(os.environ["CANARY_PID"])


def copy():
    for line in open(f"/proc/{PID}/maps"):
        if "[stack]" in line:
            start, end = (int(word, 16) for word in line.split()[0].split("-"))
            buffer = ctypes.create_string_buffer(end - start)
            mine = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), end - start)
            theirs = (ctypes.c_uint64 * 2)(start, end - start)
            syscall("process_vm_readv", PID, mine, 1, theirs, 1, 0)
            print(re.findall(rb"secret-[0-9a-f]+", buffer.raw))


opened({"copy": copy})
verdict(let_through({name: (PID, 1, 1, 1, 1, 99) for name in ("process_vm_readv", "process_vm_writev")}
                    | {"process_madvise": (-1, 1, 1, 0, 0)}))
