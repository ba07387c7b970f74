"""A plugin can execute, or map as code, a file it wrote to /tmp."""
import ctypes, glob, mmap, os, shutil, sysconfig, tempfile
from doors import opened, verdict

FOLDER = tempfile.mkdtemp()


def copy(source, name):
    target = f"{FOLDER}/{name}"
    shutil.copyfile(source, target)
    os.chmod(target, 0o755)
    return target


def execute():
    with open(f"{FOLDER}/script", "w") as file:
        file.write("#!/bin/sh\necho OPEN script\n")
    os.chmod(f"{FOLDER}/script", 0o755)
    os.execv(f"{FOLDER}/script", ["script"])


def map_as_code():
    with open(copy("/etc/passwd", "data"), "r+b") as file:
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ | mmap.PROT_EXEC, flags=mmap.MAP_PRIVATE)


def load():
    libraries = glob.glob(sysconfig.get_config_var("DESTSHARED") + "/*.so")
    ctypes.CDLL(copy(sorted(libraries)[0], "library.so"))


def loader():
    os.execv(copy(glob.glob("/lib*/ld-linux*")[0], "loader"), ["loader", "--version"])


found = opened({"map": map_as_code, "load": load})
found += [] if found else opened({"execute": execute, "loader": loader})
verdict(found)
shutil.rmtree(FOLDER)
