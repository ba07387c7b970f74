"""Does with a real SDK what the text of a message says."""

import os
import time

try:
    from yourbot_sdk import Plugin
except ModuleNotFoundError:
    from mmo_maid_sdk import Plugin

plugin = Plugin()


@plugin.on_event("message_create")
def hear(ctx, event):
    word = event["content"]
    ctx.kv.set("pid", os.getpid())
    if word == "hang":
        if not ctx.kv.get("hung"):
            ctx.kv.set("hung", True)
            time.sleep(3600)
    elif word == "raise":
        raise ValueError("as asked")
    elif word == "die":
        os._exit(3)
    ctx.kv.set("done", word)


plugin.run()
