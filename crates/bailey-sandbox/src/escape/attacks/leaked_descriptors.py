"""A plugin can inherit a file that the host has open."""
import os
from doors import opened, tried

opened({str(number): lambda number=number: print(os.pread(number, 100, 0)) for number in range(3, 1024)})
tried()
