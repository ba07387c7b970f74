"""Keeps a connection to another server: what it says is posted, what people ask is sent.

Bailey holds the connection; it outlives the plugin's process, and is made again when it breaks. Play it with:

    bailey try examples/plugins/live_feed --script examples/plugins/live_feed/live_feed.jsonl
"""

import json

from yourbot_sdk import Plugin

plugin = Plugin()


def post(ctx, text):
    channel = ctx.kv.get("channel")
    if channel:
        ctx.discord.send_message(channel_id=channel, content=text)


@plugin.on_event("message_create")
def on_message(ctx, event):
    if event.get("author_bot"):
        return
    word, _, rest = event["content"].partition(" ")
    try:
        if word == "!watch":
            ctx.kv.set("channel", event["channel_id"])
            made = ctx.ws.ensure("ticker", "wss://ticker.example.com/live", secret_auth="TICKER_KEY",
                                 subscribe=[{"subscribe": rest}, "hello"])
            post(ctx, f"{made['name']} is {made['state']}")
        elif word == "!ask":
            ctx.ws.send("ticker", rest)
        elif word == "!stop":
            ctx.ws.close("ticker")
            post(ctx, "Stopped.")
    except Exception as error:
        post(ctx, f"{type(error).__name__}: {error}")


@plugin.on_ws_open("ticker")
def on_open(ctx):
    post(ctx, "The ticker is open.")


@plugin.on_ws_message("ticker")
def on_frame(ctx, frame):
    count = ctx.kv.increment("frames")
    post(ctx, f"{count}: {frame['data']}")


@plugin.on_ws_close("ticker")
def on_close(ctx, event):
    post(ctx, f"The ticker closed ({event['reason']}); again: {event['will_reconnect']}.")


@plugin.on_ws_message("own-*")
def on_own(ctx, frame):
    post(ctx, f"{frame['name']} says {frame['data']}")


@plugin.on_slash_command("own")
def own(ctx, event):
    options = {given["name"]: given["value"] for given in event.get("options") or []}
    try:
        if "connect" in options:
            host = ctx.ws.allow_host(options["connect"])["host"]
            ctx.ws.ensure(f"own-{host}", options["connect"])
            said = f"{host} is connected."
        else:
            said = f"{ctx.ws.revoke_host(options['forget'])['host']} is forgotten."
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    ctx.interaction.respond(content=said, ephemeral=True)


plugin.run()
