"""Rooms that come and go: channels, who may see them, threads, pins, and announcements through a webhook.

Play it with:

    bailey try examples/plugins/channels --script examples/plugins/channels/channels.jsonl
"""

try:
    from yourbot_sdk import Plugin
except ModuleNotFoundError:  # before version 0.6 the SDK had another name
    from mmo_maid_sdk import Plugin

plugin = Plugin()

TEXT, CATEGORY = 0, 4
VIEW_CHANNEL, SEND_MESSAGES = 1 << 10, 1 << 11
ROLE, MEMBER = 0, 1


def category(ctx):
    """The category for rooms; made when it is first needed."""
    for channel in ctx.discord.list_channels():
        if channel["type"] == CATEGORY and channel["name"] == "Rooms":
            return channel["id"]
    return ctx.discord.create_channel(name="Rooms", channel_type=CATEGORY)["id"]


@plugin.on_event("message_create")
def on_message(ctx, event):
    if event.get("author_bot"):
        return
    word, _, rest = event["content"].partition(" ")
    action = ACTIONS.get(word)
    if action:
        action(ctx, event["channel_id"], event["author_id"], rest)


def room(ctx, channel, author, name):
    """A room of one's own: nobody else sees it, but the bot, which would lock itself out otherwise."""
    made = ctx.discord.create_channel(name=name, channel_type=TEXT, category_id=category(ctx), topic=f"of <@{author}>")
    ctx.kv.set(f"room:{author}", made["id"])
    ctx.discord.send_message(channel_id=made["id"], content="Make yourself at home.")
    myself = ctx.discord.get_messages(channel_id=made["id"], limit=1)[0]["author_id"]
    for member in (myself, author):
        ctx.discord.set_channel_permissions(
            channel_id=made["id"], target_id=member, allow=str(VIEW_CHANNEL | SEND_MESSAGES), target_type=MEMBER)
    everybody = ctx.discord.get_guild()["id"]  # the role everybody has carries the id of the server
    ctx.discord.set_channel_permissions(
        channel_id=made["id"], target_id=everybody, deny=str(VIEW_CHANNEL), target_type=ROLE)


def open_room(ctx, channel, author, rest):
    """Everybody may come in."""
    mine = ctx.kv.get(f"room:{author}")
    ctx.discord.delete_channel_permission(channel_id=mine, target_id=ctx.discord.get_guild()["id"])
    renamed = ctx.discord.edit_channel(channel_id=mine, name="open-house")
    ctx.discord.send_message(channel_id=channel, content=f"Welcome to {renamed['name']}.")


def close_room(ctx, channel, author, rest):
    mine = ctx.kv.get(f"room:{author}")
    name = ctx.discord.get_channel(channel_id=mine)["name"]
    ctx.discord.delete_channel(channel_id=mine)
    ctx.kv.delete(f"room:{author}")
    ctx.discord.send_message(channel_id=channel, content=f"{name} is gone.")


def discuss(ctx, channel, author, topic):
    thread = ctx.discord.create_thread(channel_id=channel, name=topic, auto_archive_duration=60)
    first = ctx.discord.send_message(channel_id=thread["id"], content=f"What do you think of {topic}?")
    ctx.discord.add_reaction(channel_id=thread["id"], message_id=first["message_id"], emoji="👍")
    ctx.kv.set("thread", thread["id"])


def settle(ctx, channel, author, rest):
    ctx.discord.edit_thread(thread_id=ctx.kv.get("thread"), archived=True, locked=True, name="settled")


def rules(ctx, channel, author, text):
    """The rules stay on top; the old ones do not."""
    old = ctx.kv.get("rules")
    new = ctx.discord.send_message(channel_id=channel, content=text)["message_id"]
    ctx.discord.pin_message(channel_id=channel, message_id=new)
    if old:
        ctx.discord.unpin_message(channel_id=channel, message_id=old)
        ctx.discord.edit_message(channel_id=channel, message_id=old, content="(there are newer rules)")
    ctx.kv.set("rules", new)


def announce(ctx, channel, author, text):
    webhook = ctx.discord.create_webhook(channel_id=channel, name="Town crier")
    ctx.discord.execute_webhook(webhook_id=webhook["id"], webhook_token=webhook["token"], content=text)
    ctx.discord.delete_webhook(webhook_id=webhook["id"])


ACTIONS = {
    "!room": room,
    "!open": open_room,
    "!close": close_room,
    "!discuss": discuss,
    "!settle": settle,
    "!rules": rules,
    "!announce": announce,
}

plugin.run()
