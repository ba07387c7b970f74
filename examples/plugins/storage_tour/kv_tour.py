"""`ctx.kv`: values under keys.

A value is anything JSON can say. It stays until you delete it or the time you gave it is up. Give keys
a prefix, as in `note:` and `points:`, and you can list what belongs together.
"""

import inspect

from sdk import KvQuotaError


# --- one key at a time ----------------------------------------------------------------------------


def remember(ctx, event, name, *text):
    """`!remember rules Be kind` keeps a note, and who wrote it."""
    note = {"text": " ".join(text), "by": event["author_username"]}
    ctx.kv.set(f"note:{name}", note)
    return f"I will remember {name}."


def recall(ctx, event, name):
    """`!recall rules`. What is not there is None, and no error."""
    note = ctx.kv.get(f"note:{name}")
    if note is None:
        return f"I know nothing about {name}."
    return f"{note['text']} ({note['by']} told me)"


def known(ctx, event, name):
    """`!known rules` asks whether there is a value, without making something of it."""
    return "yes" if ctx.kv.exists(f"note:{name}") else "no"


def forget(ctx, event, name):
    """`!forget rules`. Deleting what is not there is fine."""
    ctx.kv.delete(f"note:{name}")
    return f"{name} is forgotten."


# --- for a while ----------------------------------------------------------------------------------


def lend(ctx, event, thing, seconds):
    """`!lend ladder 3600` is a note that goes by itself after an hour."""
    ctx.kv.set(f"lent:{thing}", event["author_username"], ttl_seconds=int(seconds))
    return f"The {thing} is yours for {seconds} seconds."


def keep(ctx, event, thing):
    """`!keep ladder` writes without a time, and that takes the old time away as well."""
    ctx.kv.set(f"lent:{thing}", event["author_username"])
    return f"Keep the {thing}."


def lent(ctx, event):
    """`!lent`. What has expired is gone from everywhere: no listing has it, and no count."""
    things = ctx.kv.list("lent:")
    return f"{ctx.kv.count('lent:')} lent: " + (", ".join(key.removeprefix("lent:") for key in things) or "nothing")


# --- counting -------------------------------------------------------------------------------------


def award(ctx, event, name, points):
    """`!award ada 5` adds and answers in one step: nobody who adds at the same time is lost."""
    total = ctx.kv.increment(f"points:{name}", amount=int(points))
    return f"{name} has {total} points."


def penalty(ctx, event, name):
    """`!penalty ada` takes one point away."""
    return f"{name} has {ctx.kv.decrement(f'points:{name}')} points."


def win(ctx, event, name, game):
    """`!win ada chess` counts inside a value. The path says where; what is missing on the way is made."""
    wins = ctx.kv.increment(f"player:{name}", path=f"wins.{game}")
    return f"{name} has won {wins} times at {game}: {ctx.kv.get(f'player:{name}')}"


# --- many keys at once ----------------------------------------------------------------------------


def seat(ctx, event, *names):
    """`!seat ada bob carol` writes all seats or, should anything be wrong, none of them."""
    ctx.kv.set_many({f"seat:{number}": name for number, name in enumerate(names, start=1)})
    return f"{len(names)} are seated."


def seats(ctx, event, *numbers):
    """`!seats 1 3 9` reads several keys with one call. Keys that do not exist are left out."""
    found = ctx.kv.get_many([f"seat:{number}" for number in numbers])
    return ", ".join(f"{key}={name}" for key, name in found.items()) or "all free"


def board(ctx, event):
    """`!board` reads keys together with their values: up to 100, in the order of the keys."""
    points = ctx.kv.list_values("points:", limit=100)
    best_first = sorted(points.items(), key=lambda entry: (-entry[1], entry[0]))
    return "\n".join(f"{key.removeprefix('points:')} {total}" for key, total in best_first)


def every_key(kv, prefix):
    """All keys under a prefix, however many.

    From SDK 0.9 on, a call gives up to 100 keys and goes on where you say. Before, it could not go on,
    but gave up to 1000 at once.
    """
    if "start_after" not in inspect.signature(kv.list).parameters:
        return kv.list(prefix, limit=1000)
    keys, page = [], kv.list(prefix)
    while page:
        keys += page
        page = kv.list(prefix, start_after=page[-1])
    return keys


def stack(ctx, event, count):
    """`!stack 250` stacks numbered boxes, 25 with each call, and lists every one of them."""
    boxes = [f"box:{number:04}" for number in range(1, int(count) + 1)]
    for start in range(0, len(boxes), 25):
        ctx.kv.set_many({box: "full" for box in boxes[start : start + 25]})
    keys = every_key(ctx.kv, "box:")
    return f"{len(keys)} boxes, from {keys[0]} to {keys[-1]}"


# --- limits ---------------------------------------------------------------------------------------


def hoard(ctx, event):
    """`!hoard` tries to keep more under one key than fits, and is told."""
    try:
        ctx.kv.set("hoard", "x" * 70_000)
    except KvQuotaError as error:
        return f"Too much: {error}"
    return "It fits!"


def nameless(ctx, event):
    """`!nameless` sets a key without a name. `__main__.py` shows what comes back."""
    ctx.kv.set("", "nobody can find this")


STOPS = {
    "!remember": remember,
    "!recall": recall,
    "!known": known,
    "!forget": forget,
    "!lend": lend,
    "!keep": keep,
    "!lent": lent,
    "!award": award,
    "!penalty": penalty,
    "!win": win,
    "!seat": seat,
    "!seats": seats,
    "!board": board,
    "!stack": stack,
    "!hoard": hoard,
    "!nameless": nameless,
}
