"""A plugin can map a file it wrote to /tmp as code, or load a library from there."""
import ctypes, glob, mmap, os, shutil, sysconfig, tempfile
from doors import opened, verdict

FOLDER = tempfile.mkdtemp()


def map_as_code():
    with open(f"{FOLDER}/data", "w+b") as file:
        file.write(b"x" * 4096)
        file.flush()
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ | mmap.PROT_EXEC, flags=mmap.MAP_PRIVATE)


def load():
    libraries = glob.glob(sysconfig.get_config_var("DESTSHARED") + "/*.so")
    shutil.copyfile(sorted(libraries)[0], f"{FOLDER}/library.so")
    ctypes.CDLL(f"{FOLDER}/library.so")


verdict(opened({"map": map_as_code, "load": load}))
shutil.rmtree(FOLDER)
