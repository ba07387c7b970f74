"""`ctx.ephemeral`: what matters for seconds or hours, and may be lost.

Quicker than `ctx.kv`, needs no capability, and asks and answers in one step, so that two people at the
same moment cannot both be first. Each kind has names of its own: a flag and a cooldown may be called
the same.
"""


def knock(ctx, event):
    """`!knock` counts knocks within the last ten seconds: a sliding window, good against floods."""
    knocks = ctx.ephemeral.counter(f"knock:{event['author_id']}", window_seconds=10)
    return f"Knock number {knocks}." if knocks <= 3 else "Enough! Wait ten seconds."


def daily(ctx, event):
    """`!daily` gives a reward, then asks you to wait: a cooldown knows how long is left."""
    cooldown = f"daily:{event['author_id']}"
    state = ctx.ephemeral.cooldown_check(cooldown)
    if state["active"]:
        return f"Come back in {round(state['remaining_seconds'])} seconds."
    ctx.ephemeral.cooldown_set(cooldown, ttl_seconds=86_400)
    return "Here is your reward."


def vote(ctx, event, choice):
    """`!vote tea` counts the first vote of a person in an hour. `dedup` is true on first sight only."""
    if ctx.ephemeral.dedup(f"vote:{event['author_id']}", ttl_seconds=3600):
        return f"A vote for {choice}."
    return "You have voted already."


def away(ctx, event, seconds):
    """`!away 600` raises a flag that comes down by itself."""
    ctx.ephemeral.flag_set(f"away:{event['author_username']}", ttl_seconds=int(seconds))
    return f"{event['author_username']} is away."


def is_away(ctx, event, name):
    """`!is_away bob`: is the flag up?"""
    return f"{name} is away." if ctx.ephemeral.flag_check(f"away:{name}") else f"{name} is here."


STOPS = {"!knock": knock, "!daily": daily, "!vote": vote, "!away": away, "!is_away": is_away}
