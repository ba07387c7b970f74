#!/usr/bin/python3
# runc, but for one wall: its own name says which it leaves out of what it was asked for.
import json
import os
import sys

wall = os.path.basename(sys.argv[0])
if "create" in sys.argv:
    path = os.path.join(sys.argv[sys.argv.index("--bundle") + 1], "config.json")
    with open(path) as file:
        container = json.load(file)
    process, linux = container["process"], container["linux"]

    def mount(place):
        return next(mount for mount in container["mounts"] if mount["destination"] == place)

    if wall == "without-seccomp":
        del linux["seccomp"]
    elif wall == "without-dropping-capabilities":
        process["capabilities"] = {"bounding": ["CAP_NET_RAW"]}
    elif wall == "without-read-only-root":
        container["root"]["readonly"] = False
    elif wall == "without-read-only-plugin":
        mount("/plugin")["options"].remove("ro")
    elif wall == "without-limited-files":
        tmp = mount("/tmp")
        tmp["options"] = [word for word in tmp["options"] if not word.startswith("nr_inodes")]
    elif wall == "without-network-namespace":
        linux["namespaces"] = [space for space in linux["namespaces"] if space["type"] != "network"]
        container["hooks"] = {}
    elif wall == "without-resource-limits":
        process["rlimits"] = [limit for limit in process["rlimits"] if limit["type"] != "RLIMIT_CORE"]
    elif wall == "without-user":
        process["user"] = {"uid": 0, "gid": 0}
    elif wall == "without-clean-environment":
        process["env"].append("SECRET=of the host")
    else:
        sys.exit(f"no such wall: {wall}")
    with open(path, "w") as file:
        json.dump(container, file)
os.execvp("runc", ["runc", *sys.argv[1:]])
