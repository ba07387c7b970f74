"""Asks other servers, which a plugin can only do through Bailey.

The hosts a server agreed to are in the manifest; others an administrator adds with a command. Play it with:

    bailey try examples/plugins/outside --script examples/plugins/outside/outside.jsonl
    bailey try examples/plugins/outside --script examples/plugins/outside/secrets.jsonl
"""

import json

try:
    from yourbot_sdk import Plugin
except ModuleNotFoundError:  # before version 0.6 the SDK had another name
    from mmo_maid_sdk import Plugin

plugin = Plugin()


@plugin.on_event("message_create")
def on_message(ctx, event):
    if event.get("author_bot"):
        return
    word, _, rest = event["content"].partition(" ")
    action = ACTIONS.get(word)
    if not action:
        return
    try:
        said = action(ctx, rest)
    except Exception as error:  # whatever it is, the author wants to read it
        said = f"{type(error).__name__}: {error}"
    ctx.discord.send_message(channel_id=event["channel_id"], content=said)


def rate(ctx, currency):
    """What a currency is worth."""
    answer = ctx.http.get(f"https://api.example.com/rates?currency={currency}")
    if answer["status"] != 200:
        return f"The bank answers {answer['status']}."
    return f"1 {currency} is {json.loads(answer['body_bytes'])['rate']} EUR."


def tell(ctx, text):
    """Leaves a text on another server."""
    headers = {"Content-Type": "application/json"}
    answer = ctx.http.post("https://api.example.com/notes", body=json.dumps({"text": text}), headers=headers)
    return f"Told, as {answer['headers']['location']}."


def look(ctx, url):
    """Whatever is there."""
    answer = ctx.http.get(url)
    return f"{answer['status']}, {len(answer['body_bytes'])} characters, cut off: {answer['truncated']}"


def private(ctx, path):
    """What is only told to those who know a secret. The plugin does not: Bailey sends it along."""
    answer = ctx.http.request("GET", f"https://api.example.com/private/{path}", secret_auth="API_KEY")
    return answer["body_bytes"]


def read(ctx, name):
    """A secret the plugin may read, written where it should not be."""
    value = ctx.secrets.get(name)
    ctx.log(f"the value is {value}")
    print("the value is", value)
    return "There is none." if value is None else f"It has {len(value)} characters."


def keep(ctx, rest):
    """A secret of this server."""
    name, _, value = rest.partition(" ")
    ctx.secrets.set(name, value)
    return "Kept."


def forget(ctx, name):
    ctx.secrets.delete(name)
    return "Forgotten."


ACTIONS = {
    "!rate": rate, "!tell": tell, "!look": look, "!private": private, "!read": read, "!keep": keep, "!forget": forget,
}


@plugin.on_slash_command("panel")
def panel(ctx, event):
    options = {given["name"]: given["value"] for given in event.get("options") or event.get("command_options") or []}
    try:
        if "connect" in options:
            said = f"{ctx.http.allow_host(options['connect'])['host']} is connected."
        elif "forget" in options:
            said = f"{ctx.http.revoke_host(options['forget'])['host']} is forgotten."
        else:
            said = ctx.http.get("https://panel.example.org:8443/health")["body_bytes"]
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    ctx.interaction.respond(content=said, ephemeral=True)


plugin.run()
