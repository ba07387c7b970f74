"""A plugin can write to memory that is marked as read-only, or to a program's file through its memory."""
from doors import opened, verdict

verdict(opened({
    "read": lambda: open("/proc/self/mem", "rb").close(), "write": lambda: open("/proc/self/mem", "r+b").close(),
    "thread": lambda: open("/proc/thread-self/mem", "r+b").close(), "first": lambda: open("/proc/1/mem", "rb").close(),
}))
