"""A plugin can read the environment of a process of the host, where passwords are kept."""
import os
from doors import opened, tried

opened({who: lambda who=who: print(open(f"/proc/{who}/environ").read()) for who in (
    os.environ["CANARY_PID"], str(os.getppid()), "1", "self")})
print(os.environ)
tried()
