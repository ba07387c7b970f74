"""A plugin can execute a program it wrote to /tmp."""
import glob, os, shutil, tempfile
from doors import opened, verdict

FOLDER = tempfile.mkdtemp()


def script():
    with open(f"{FOLDER}/script", "w") as file:
        file.write(f"#!/bin/sh\nrm -r {FOLDER}\necho OPEN script\n")
    os.chmod(f"{FOLDER}/script", 0o755)
    os.execv(f"{FOLDER}/script", ["script"])


def loader():
    shutil.copyfile(glob.glob("/lib*/ld-linux*")[0], f"{FOLDER}/loader")
    os.chmod(f"{FOLDER}/loader", 0o755)
    os.execv(f"{FOLDER}/loader", ["loader", "--version"])


verdict(opened({"script": script, "loader": loader}))
shutil.rmtree(FOLDER)
