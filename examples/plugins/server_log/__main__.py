"""Writes into #log what happens on the server: people, voice, channels, roles, messages that are gone.

Play it with:

    bailey try examples/plugins/server_log --script examples/plugins/server_log/server_log.jsonl
"""

try:
    from yourbot_sdk import Plugin
except ModuleNotFoundError:  # before version 0.6 the SDK had another name
    from mmo_maid_sdk import Plugin

plugin = Plugin()


def write(ctx, text):
    """Sends a line to #log, if the server has it."""
    for channel in ctx.discord.list_channels():
        if channel["name"] == "log":
            ctx.discord.send_message(channel_id=channel["id"], content=text)


@plugin.on_event("member_join")
def joined(ctx, event):
    write(ctx, f"{event['username']} joined; we are {event['member_count']}.")


@plugin.on_event("member_leave")
def left(ctx, event):
    write(ctx, f"{event['username']} left with {len(event['roles'])} roles.")


@plugin.on_event("member_update")
def updated(ctx, event):
    names = {role["id"]: role["name"] for role in ctx.discord.list_roles()}
    for role in set(event["roles"]) - set(event["before_roles"]):
        write(ctx, f"{event['username']} is now {names[role]}.")
    for role in set(event["before_roles"]) - set(event["roles"]):
        write(ctx, f"{event['username']} is no longer {names.get(role, role)}.")
    if event["before_nick"] != event["nick"]:
        write(ctx, f"{event['username']} is called {event['nick'] or 'by the user name'}, not {event['before_nick']}.")


@plugin.on_event("voice_state_update")
def voice(ctx, event):
    before, after = event["before_channel_name"], event["after_channel_name"]
    if before == after:
        if event["after_self_stream"] and not event["before_self_stream"]:
            write(ctx, f"{event['username']} shows something in {after}.")
    elif before and after:
        write(ctx, f"{event['username']} went from {before} to {after}.")
    elif after:
        write(ctx, f"{event['username']} came into {after}.")
    else:
        write(ctx, f"{event['username']} left {before}.")


@plugin.on_event("channel_create")
def channel_made(ctx, event):
    write(ctx, f"There is a channel {event['name']} (type {event['type']}).")


@plugin.on_event("channel_update")
def channel_changed(ctx, event):
    if event["before_name"] != event["name"]:
        write(ctx, f"The channel {event['before_name']} is called {event['name']}.")


@plugin.on_event("channel_delete")
def channel_gone(ctx, event):
    write(ctx, f"The channel {event['name']} is gone.")


@plugin.on_event("role_create")
def role_made(ctx, event):
    write(ctx, f"There is a role {event['name']}.")


@plugin.on_event("role_update")
def role_changed(ctx, event):
    write(ctx, f"The role {event['before_name']} is called {event['name']}.")


@plugin.on_event("role_delete")
def role_gone(ctx, event):
    write(ctx, f"The role {event['name']} is gone.")


@plugin.on_event("message_create")
def said(ctx, event):
    if not event["author_bot"] and "spoiler" in event["content"]:
        ctx.discord.delete_message(channel_id=event["channel_id"], message_id=event["message_id"])


@plugin.on_event("message_delete")
def deleted(ctx, event):
    if event["author_id"]:
        write(ctx, f"{event['author_name']} had written: {event['content']}")


@plugin.on_event("message_edit")
def edited(ctx, event):
    write(ctx, f"{event['author_name']} changed a message in {event['channel_name']}.")


@plugin.on_event("reaction_add")
def reacted(ctx, event):
    write(ctx, f"{event['emoji']} by <@{event['user_id']}>.")


plugin.run()
