"""A plugin that does a little for each message: it reads one key and writes another."""

from yourbot_sdk import Plugin

plugin = Plugin()


@plugin.on_event("message_create")
def answer(ctx, event):
    ctx.kv.get("greeting")
    ctx.kv.set("answer", event["content"])


plugin.run()
