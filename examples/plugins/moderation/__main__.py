"""What moderators ask for: warnings that end in a timeout, kicks, bans, roles, nicknames, tidying up.

Who may use the commands is for the server to say, in its settings under Integrations. What the bot itself lacks,
Bailey says by name. Play it with:

    bailey try examples/plugins/moderation --script examples/plugins/moderation/moderation.jsonl
"""

try:
    from yourbot_sdk import DiscordApiError, Plugin, SdkPermissionError, ValidationError
except ModuleNotFoundError:  # before version 0.6 the SDK had another name
    from mmo_maid_sdk import DiscordApiError, Plugin, SdkPermissionError, ValidationError

plugin = Plugin()

WARNINGS = 3  # as many end in a timeout
TIMEOUT = 600  # seconds


def given(event):
    """The options somebody gave, by name."""
    return {option["name"]: option.get("value") for option in event.get("options") or event["command_options"]}


def moderates(handler):
    """Answers with what the handler returns, and says in plain words why something cannot be done."""

    def answer(ctx, event):
        try:
            text = handler(ctx, event, **given(event))
        except SdkPermissionError as error:
            text = f"I may not: {error}"
        except (ValidationError, DiscordApiError) as error:
            text = f"That does not work: {error}"
        ctx.interaction.respond(content=text, ephemeral=True)

    return answer


@plugin.on_slash_command("warn")
@moderates
def warn(ctx, event, member, reason):
    count = ctx.kv.increment(f"warnings:{member}")
    if count < WARNINGS:
        return f"Warning {count} of {WARNINGS}."
    ctx.discord.timeout_member(user_id=member, duration_seconds=TIMEOUT, reason=reason)
    ctx.kv.delete(f"warnings:{member}")
    return f"That was warning {count}: a timeout of {TIMEOUT // 60} minutes."


@plugin.on_slash_command("forgive")
@moderates
def forgive(ctx, event, member):
    ctx.discord.timeout_member(user_id=member, duration_seconds=0, reason="forgiven")
    return "The timeout is over."


@plugin.on_slash_command("kick")
@moderates
def kick(ctx, event, member, reason=""):
    name = ctx.discord.get_member(user_id=member)["display_name"]
    ctx.discord.kick_member(user_id=member, reason=reason)
    return f"{name} has left us."


@plugin.on_slash_command("ban")
@moderates
def ban(ctx, event, member, reason=""):
    ctx.discord.ban_member(user_id=member, reason=reason, delete_message_seconds=3600)
    return f"<@{member}> stays out."


@plugin.on_slash_command("unban")
@moderates
def unban(ctx, event, user):
    ctx.discord.unban_member(user_id=user)
    return f"<@{user}> may come back."


@plugin.on_slash_command("rename")
@moderates
def rename(ctx, event, member, name=None):
    ctx.discord.set_nickname(user_id=member, nickname=name)
    return f"Now called {ctx.discord.get_member(user_id=member)['display_name']}."


@plugin.on_slash_command("promote")
@moderates
def promote(ctx, event, member, role):
    ctx.discord.add_role(user_id=member, role_id=role, reason="earned")
    return "Done."


@plugin.on_slash_command("demote")
@moderates
def demote(ctx, event, role):
    holders = [member["user_id"] for member in ctx.discord.list_members(role_id=role)]
    result = ctx.discord.remove_role_bulk(user_ids=holders, role_id=role, reason="a fresh start")
    return f"{result['success']} lost the role, {result['failed']} kept it."


@plugin.on_slash_command("silence")
@moderates
def silence(ctx, event):
    everybody = [member["user_id"] for member in ctx.discord.list_members() if not member["bot"]]
    result = ctx.discord.timeout_bulk(user_ids=everybody, duration_seconds=60, reason="quiet, please")
    for error in result["errors"]:
        ctx.log(f"{error['user_id']}: {error['error']}", level="warning")
    return f"{result['success']} are quiet, {result['failed']} are not."


@plugin.on_slash_command("tidy")
@moderates
def tidy(ctx, event, count):
    messages = ctx.discord.get_messages(channel_id=event["channel_id"], limit=count)
    ids = [message["id"] for message in messages if not message["pinned"]]
    if len(ids) < 2:
        for message in ids:
            ctx.discord.delete_message(channel_id=event["channel_id"], message_id=message)
    else:
        ctx.discord.bulk_delete_messages(channel_id=event["channel_id"], message_ids=ids)
    return f"{len(ids)} messages are gone."


plugin.run()
