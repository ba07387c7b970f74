"""A plugin can fill the host with processes that start processes."""
import os
from doors import look, opened, tried

ENDED, END = os.pipe()


def wait_for_the_end():
    os.close(END)
    os.read(ENDED, 1)
    os._exit(0)


def split():
    if os.fork() == 0:
        if os.fork() == 0:
            os.fork()
        wait_for_the_end()


opened({str(number): split for number in range(20)})
look()
os.close(END)
tried()
