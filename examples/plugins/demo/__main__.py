"""A first conversation.

Type `!ping`, or run `/greet`, press the button and fill in the form. This file shows the four
things most plugins do: hear a message, answer a command, react to a button and a form, and
remember something.
"""

try:
    from yourbot_sdk import ActionRow, Button, Plugin, TextInput
except ModuleNotFoundError:  # before version 0.6 the SDK had another name
    from mmo_maid_sdk import ActionRow, Button, Plugin, TextInput

plugin = Plugin()

# What Discord sends back to say which button was pressed and which form was filled in.
TELL_MORE = "tell_more"
STORY = "story"


def option(event, name):
    """The value somebody gave to an option of a command; None if they left it out."""
    for given in event.get("options") or event.get("command_options") or []:
        if given["name"] == name:
            return given.get("value")
    return None


def times(count):
    """Once, twice, 3 times."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


@plugin.on_event("message_create")
def hear(ctx, event):
    # Bots hear each other. Without this line, two of them could talk for ever.
    if event.get("author_bot"):
        return
    if event.get("content", "").strip() == "!ping":
        ctx.discord.send_message(channel_id=event["channel_id"], content="Pong!")


@plugin.on_slash_command("greet")
def greet(ctx, event):
    # One call that adds and answers: no greeting is lost when two people run the command at once.
    count = ctx.kv.increment("greetings")
    ctx.interaction.respond(
        content=f"Hello, {option(event, 'name')}! I have greeted people {times(count)} on this server.",
        components=[ActionRow(Button("Tell me more", TELL_MORE))],
    )


@plugin.on_component(TELL_MORE)
def ask(ctx, event):
    # A form must be the first answer to a click, so nothing is looked up before.
    ctx.interaction.send_modal(
        title="Tell me more",
        custom_id=STORY,
        fields=[TextInput("What would you like to say?", "text", style="paragraph", max_length=500)],
    )


@plugin.on_modal_submit(STORY)
def thank(ctx, event):
    text = event["modal_values"]["text"]
    ctx.interaction.respond(content=f"Thank you for telling me: {text}", ephemeral=True)


if __name__ == "__main__":
    plugin.run()
