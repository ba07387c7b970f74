"""A plugin can execute the interpreter, or anything of the root, a second time."""
import ctypes, glob, os, sys
from doors import opened, syscall, verdict


def descriptor(number):
    words = (ctypes.c_char_p * 4)(b"python", b"-c", b"print('OPEN again')", None)
    return lambda: syscall("execveat", number, b"", words, 0, 0x1000)


def path():
    os.execv(sys.executable, ["python", "-c", "print('OPEN again')"])


def found():
    descriptor(os.open(sys.executable, os.O_PATH))()


def moved():
    # The number that the start used, for an interpreter opened now.
    os.dup2(os.open(sys.executable, os.O_PATH), 257)
    descriptor(257)()


doors = {f"descriptor {number}": descriptor(number) for number in (3, 4, 256, 257, 258, 1000)}
doors |= {"path": path, "found": found, "moved": moved, "loader": lambda: os.execv(glob.glob("/lib*/ld-linux*")[0], ["x", "--version"])}
verdict(opened(doors))
