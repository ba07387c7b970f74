"""A plugin can open files by their numbers, past every path."""
from doors import let_through, verdict

verdict(let_through({
    "open_by_handle_at": (-1, 1, 0), "name_to_handle_at": (-1, 1, 1, 1, 0), "fanotify_init": (0x7FFFFFFF, 0),
    "fanotify_mark": (-1, 0, 0, 0, 0), "quotactl": (-1, 1, 0, 0), "lookup_dcookie": (-1, 1, 0),
}))
