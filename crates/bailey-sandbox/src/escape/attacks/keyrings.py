"""A plugin can use the kernel's keyrings, which no namespace separates."""
from doors import let_through, verdict

verdict(let_through({
    "keyctl": (99, 0), "add_key": (1, 1, 1, 1, 0), "request_key": (1, 1, 1, 0),
}))
