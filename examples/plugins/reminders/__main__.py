"""Acts by itself: says good morning at nine (UTC), and counts the quarters of an hour.

When is written in the manifest; Bailey tells the plugin, also when it was not running. Play it with:

    bailey try examples/plugins/reminders --script examples/plugins/reminders/reminders.jsonl
"""

try:
    from yourbot_sdk import Plugin
except ModuleNotFoundError:  # before version 0.6 the SDK had another name
    from mmo_maid_sdk import Plugin

plugin = Plugin()


@plugin.on_event("message_create")
def on_message(ctx, event):
    if event.get("author_bot"):
        return
    if event["content"] == "!here":
        ctx.kv.set("channel", event["channel_id"])
        ctx.discord.send_message(channel_id=event["channel_id"], content="I will be here at nine.")
    if event["content"] == "!quarters":
        quarters = ctx.kv.get("quarters") or 0
        ctx.discord.send_message(channel_id=event["channel_id"], content=f"{quarters} quarters have passed.")


@plugin.on_event("cron")
def on_time(ctx, event):
    """Every schedule, by its name. With SDK 0.8.4 and later a function of that name can have `@plugin.cron` instead."""
    if event["name"] == "quarter":
        ctx.kv.increment("quarters")
    if event["name"] == "good_morning":
        channel = ctx.kv.get("channel")
        if channel:
            said = f"Good morning! It is {event['scheduled_at']}."
            ctx.discord.send_message(channel_id=channel, content=said)


plugin.run()
