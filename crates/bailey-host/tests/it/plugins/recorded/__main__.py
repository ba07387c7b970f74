"""The plugin of the recorded conversations. Runs on every version of the SDK."""

from mmo_maid_sdk import Plugin

plugin = Plugin()


@plugin.on_ready
def ready(ctx):
    ctx.log(f"ready on {ctx.server_id!r}")


@plugin.on_event("message_create")
def hear(ctx, event):
    content = event["content"]
    if content == "ping":
        ctx.kv.get("count")
        ctx.discord.send_message(channel_id=event["channel_id"], content="Pong \u00e9\U0001f600")
    elif content == "fail":
        raise ValueError("boom")
    elif content == "print":
        print("a line of its own", flush=True)
        print("glued", end="", flush=True)
        ctx.kv.get("count")
        print({"looks": "like a frame"}, flush=True)
        print('{"really": "json"}', flush=True)
    elif content == "numbers":
        ctx.kv.set("nan", float("nan"))
        ctx.kv.set("infinite", [float("inf"), -float("inf"), "NaN stays text"])
        ctx.kv.set("half", "\ud83d")
        ctx.kv.set("huge", 2**70)
        deep = []
        for _ in range(150):
            deep = [deep]
        try:
            ctx.kv.set("deep", deep)
        except Exception as error:
            ctx.log(f"refused: {type(error).__name__}")


if __name__ == "__main__":
    plugin.run()
