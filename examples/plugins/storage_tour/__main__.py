"""A tour of everything a plugin can remember, stop by stop.

Each module is one kind of storage, and each function in it one stop: somebody types a command, and
the stop returns what to answer. Whatever is stored belongs to the server it was said on; the same
plugin on another server sees none of it, and no line here has to take care of that.
"""

import ephemeral_tour
import kv_tour
import logging_tour
import metrics_tour
import sql_tour
from sdk import Plugin, SdkError

plugin = Plugin()

STOPS = {}
for topic in (kv_tour, ephemeral_tour, metrics_tour, logging_tour, sql_tour):
    STOPS.update(topic.STOPS)


@plugin.on_event("message_create")
def hear(ctx, event):
    command, *words = event.get("content", "").split() or [""]
    stop = STOPS.get(command)
    if stop is None or event.get("author_bot"):
        return
    try:
        answer = stop(ctx, event, *words)
    except SdkError as error:
        # What the host refuses arrives as an exception that says what to do about it.
        answer = f"{type(error).__name__}: {error}"
    ctx.discord.send_message(channel_id=event["channel_id"], content=answer)


if __name__ == "__main__":
    plugin.run()
