"""`ctx.metrics`: numbers over time.

Record what happens as it happens; ask later for charts of an hour up to ninety days. Points are added
up by minute and hour, so that recording much costs no more space than recording little.
"""


def play(ctx, event, genre, minutes):
    """`!play jazz 4` records one song, and how long it was. Tags are what charts can be split by."""
    ctx.metrics.record("songs", tags={"genre": genre})
    ctx.metrics.record("minutes", float(minutes), tags={"genre": genre})
    return f"Playing {genre}."


def chart(ctx, event):
    """`!chart` asks for one line a genre, one number a day. `series` and `labels` are as long as each other."""
    answer = ctx.metrics.query("songs", period="7d", group_by="genre")
    lines = [f"{series['name']}: {sum(series['data']):g}" for series in answer["series"]]
    return f"{len(answer['labels'])} days, {answer['total']:g} songs\n" + "\n".join(sorted(lines))


def lengths(ctx, event):
    """`!lengths` shows the other ways to put numbers together."""
    found = []
    for aggregate in ("count", "sum", "min", "max", "avg"):
        answer = ctx.metrics.query("minutes", period="24h", aggregate=aggregate)
        found.append(f"{aggregate} {answer['total']:g}")
    return ", ".join(found)


def played(ctx, event):
    """`!played` needs one number and no chart."""
    return f"{ctx.metrics.total('songs', period='30d'):g} songs in 30 days."


STOPS = {"!play": play, "!chart": chart, "!lengths": lengths, "!played": played}
