"""A plugin can make more than 1024 files in /tmp."""
import errno, os, tempfile

made = 0
folder = tempfile.mkdtemp()
try:
    for number in range(3000):
        os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
        made += 1
    print("OPEN", made)
except OSError as error:
    print("HELD" if error.errno == errno.ENOSPC and made <= 1024 else f"OPEN {error} after {made}")
finally:
    for name in os.listdir(folder):
        os.unlink(f"{folder}/{name}")
    os.rmdir(folder)
