"""A plugin can share a namespace with the host, whatever else keeps it from using that."""
import os
from doors import verdict

# Not the user's: as root the host needs none for it, each process is a user of its own.
hosts = os.environ["CANARY_NAMESPACES"].split()
assert len(hosts) == 6, hosts
verdict([space for space in hosts if os.readlink("/proc/self/ns/" + space.split(":")[0]) == space])
