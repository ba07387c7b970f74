#!{python} -I
"""A tool uses more memory than it may."""
kept = [b"x" * (1 << 20) for _ in range(1100)]
found = [f"{len(kept)} MB"]
