"""`ctx.log`: what you would like to know when something went wrong.

Members of the server see none of it; whoever runs the plugin does.
"""


def whisper(ctx, event, *text):
    """`!whisper ...` writes one line at each level. Without a level it is `info`."""
    said = " ".join(text)
    ctx.log(f"about to listen to {event['author_username']}", level="debug")
    ctx.log(f"heard: {said}")
    ctx.log(f"that was only {len(text)} words", level="warning")
    ctx.log("nobody answered", level="error")
    return "Noted."


def sell(ctx, event, item, price):
    """`!sell lamp 12` adds tags, to find lines by, and named values, so that no text has to be taken apart."""
    ctx.log(f"sold a {item}", tags=["shop", "sale"], item=item, price=price, seller=event["author_id"])
    return f"Sold: one {item}."


STOPS = {"!whisper": whisper, "!sell": sell}
