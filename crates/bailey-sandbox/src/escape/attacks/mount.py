"""A plugin can mount, by the old calls or the new ones."""
from doors import let_through, verdict

BAD = 1
verdict(let_through({
    "mount": (BAD, BAD, BAD, 0, 0), "umount2": (BAD, 99), "pivot_root": (BAD, BAD), "open_tree": (-1, BAD, 0),
    "fsopen": (BAD, 99), "fsconfig": (-1, 99, BAD, BAD, 0), "fsmount": (-1, 99, 0), "fspick": (-1, BAD, 99),
    "move_mount": (-1, BAD, -1, BAD, 0), "mount_setattr": (-1, BAD, 0, BAD, 0),
}))
