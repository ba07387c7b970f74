#!{python} -I
"""A tool writes outside of its own folders, or plants a program."""
import mmap, os
found = []
for folder in {folders}:
    for name in ("planted", "../planted"):
        try:
            with open(os.path.join(folder, name), "w") as file:
                file.write("x")
            found.append(os.path.join(folder, name))
        except OSError:
            pass
# A program of its own making, executed.
for folder in (os.getcwd(), "/tmp"):
    program = os.path.join(folder, "program")
    with open(program, "w") as file:
        file.write("#!{python} -I\nprint('ran')\n")
    try:
        os.chmod(program, 0o755)
        if os.spawnv(os.P_WAIT, program, [program]) == 0:
            found.append("executed " + program)
    except OSError:
        pass
    try:
        with open(program, "rb") as file:
            mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
        found.append("mapped as code " + program)
    except OSError:
        pass
