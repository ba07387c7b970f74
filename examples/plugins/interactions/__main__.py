"""Every way people can ask a plugin for something.

Commands with suggestions while typing, commands in the menus of people and messages, buttons, the five kinds
of select menu, forms, and answers that come later. Play it with:

    bailey try examples/plugins/interactions --script examples/plugins/interactions/interactions.jsonl
"""

try:
    from yourbot_sdk import ActionRow, Button, Plugin, TextInput
except ModuleNotFoundError:  # before version 0.6 the SDK had another name
    from mmo_maid_sdk import ActionRow, Button, Plugin, TextInput

plugin = Plugin()

# Discord's numbers for select menus whose entries it knows by itself, and what it calls the map it sends along.
KINDS = {"people": (5, "users"), "roles": (6, "roles"), "anybody": (7, None), "channels": (8, "channels")}


def menu(name):
    """A select menu that Discord fills; at most two may be chosen."""
    kind, _ = KINDS[name]
    return {"type": 1, "components": [{"type": kind, "custom_id": name, "placeholder": name, "max_values": 2}]}


def option(event, name):
    """The value somebody gave to an option of a command; None if they left it out."""
    for given in event.get("options") or event.get("command_options") or []:
        if given["name"] == name:
            return given.get("value")
    return None


@plugin.on_slash_command("weather")
def weather(ctx, event):
    # What was suggested comes as its value; people may also type something else.
    ctx.interaction.respond(content=f"It rains in {option(event, 'city')}.", ephemeral=True)


@plugin.on_slash_command("Look closer")
def look(ctx, event):
    user = event["resolved"]["users"][event["target_id"]]
    ctx.interaction.respond(content=f"That is {user['username']}.", ephemeral=True)


@plugin.on_slash_command("Count letters")
def count(ctx, event):
    message = event["resolved"]["messages"][event["target_id"]]
    ctx.interaction.respond(content=f"It has {len(message['content'])} letters.", ephemeral=True)


@plugin.on_slash_command("panel")
def panel(ctx, event):
    colours = [{"label": "Red", "value": "red"}, {"label": "Blue", "value": "blue", "emoji": {"name": "dot:77"}}]
    ctx.interaction.respond(content="What would you like?", components=[
        ActionRow(Button("Write", "write"), Button("Change this", "change")),
        {"type": 1, "components": [{"type": 3, "custom_id": "colours", "options": colours, "max_values": 2}]},
        menu("people"),
        menu("roles"),
        menu("channels"),
    ])
    ctx.interaction.followup(content="And one more menu.", components=[menu("anybody")])


@plugin.on_component("colours")
def colours(ctx, event):
    ctx.interaction.respond(content="Colours: " + ", ".join(event["values"]))


def chosen(name):
    """A handler that says who or what was chosen, by the names Discord sends along."""
    _, known = KINDS[name]

    @plugin.on_component(name)
    def answer(ctx, event):
        resolved = event.get("resolved") or {}
        entries = {}
        for kind in [known] if known else ["users", "roles"]:
            entries.update(resolved.get(kind) or {})
        names = [entries[value].get("username") or entries[value].get("name") for value in event["values"]]
        ctx.interaction.respond(content=f"{name} ({event['component_type']}): " + ", ".join(names))


for kind in KINDS:
    chosen(kind)


@plugin.on_component("write")
def write(ctx, event):
    # A form must be the first answer to a click, so nothing is looked up before.
    ctx.interaction.send_modal(title="A letter", custom_id="letter", fields=[
        TextInput("To", "to"), TextInput("Text", "text", style="paragraph"),
    ])


@plugin.on_modal_submit("letter")
def letter(ctx, event):
    values = event["modal_values"]
    try:
        ctx.interaction.send_modal(title="Again", custom_id="again", fields=[TextInput("More", "more")])
    except Exception as error:  # a form cannot answer a form
        ctx.log(f"refused: {type(error).__name__}")
    ctx.interaction.respond(content=f"Sent to {values['to']}: {values['text']}", ephemeral=True)


@plugin.on_component("change")
def change(ctx, event):
    # Since version 0.7 of the SDK.
    ctx.interaction.respond(content="Changed.", components=[], update_message=True)
    ctx.interaction.followup(content=f"{event['user_username']} changed it.", ephemeral=True)


@plugin.on_slash_command("slowly")
def slowly(ctx, event):
    ctx.interaction.defer()
    ctx.interaction.respond(content="Here it is.")
    more = ctx.interaction.followup(content="And more.")
    # Its id is known since version 0.5.3 of the SDK.
    ctx.log(f"follow-up {(more or {}).get('message_id', 'without an id')}")


if __name__ == "__main__":
    plugin.run()
