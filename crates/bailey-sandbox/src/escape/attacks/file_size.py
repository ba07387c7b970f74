"""A plugin can make a file larger than 32 MiB, if only a hollow one."""
import errno, os, tempfile

with tempfile.TemporaryFile() as file:
    try:
        os.ftruncate(file.fileno(), 40 * 1024 * 1024)
        print("OPEN 40 MiB")
    except OSError as error:
        print("HELD" if error.errno == errno.EFBIG else f"OPEN {error}")
