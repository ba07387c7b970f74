"""The bot of `clients`, in hikari: BASE GATEWAY TOKEN. It finds the gateway by itself."""

import sys

import hikari

BASE, _GATEWAY, TOKEN = sys.argv[1:4]
bot = hikari.GatewayBot(TOKEN, rest_url=f"{BASE}/api/v10", intents=hikari.Intents.ALL, banner=None)

WHO = hikari.CommandOption(type=hikari.OptionType.USER, name="who", description="Whom", is_required=True)
TIMES = hikari.CommandOption(type=hikari.OptionType.INTEGER, name="times", description="How often")
COMMANDS = {
    "greet": ("Says hello", [WHO, TIMES]),
    "slow": ("Takes its time", []),
    "form": ("Asks", []),
    "pick": ("Lets one choose", []),
    "kick": ("Removes somebody", [WHO]),
}
greeted = False


@bot.listen()
async def on_guild(event: hikari.GuildAvailableEvent) -> None:
    global greeted
    if greeted:
        return
    greeted = True
    application = await bot.rest.fetch_application()
    builders = []
    for name, (description, options) in COMMANDS.items():
        builder = bot.rest.slash_command_builder(name, description)
        for option in options:
            builder.add_option(option)
        builders.append(builder)
    await bot.rest.set_application_commands(application, builders, event.guild_id)
    first = min((channel for channel in event.channels.values() if channel.type == hikari.ChannelType.GUILD_TEXT),
                key=lambda channel: channel.position)
    await bot.rest.create_message(first, f"ready in {event.guild.name} with {len(event.members)} members")


@bot.listen()
async def on_message(event: hikari.GuildMessageCreateEvent) -> None:
    if event.content == "!ping" and event.is_human:
        await event.message.respond("Pong!", reply=True, embed=hikari.Embed(title="an embed"),
                                    attachment=hikari.Bytes(b"data", "file.txt"))


@bot.listen()
async def on_interaction(event: hikari.InteractionCreateEvent) -> None:
    interaction = event.interaction
    create = hikari.ResponseType.MESSAGE_CREATE
    if isinstance(interaction, hikari.CommandInteraction):
        options = {option.name: option.value for option in interaction.options or []}
        name = interaction.command_name
        if name == "greet":
            who = interaction.resolved.members[options["who"]]
            row = bot.rest.build_message_action_row()
            row.add_interactive_button(hikari.ButtonStyle.PRIMARY, "press", label="Press")
            await interaction.create_initial_response(create, f"hello {who.username} x{options.get('times', 1)}",
                                                      component=row, flags=hikari.MessageFlag.EPHEMERAL)
        elif name == "slow":
            await interaction.create_initial_response(hikari.ResponseType.DEFERRED_MESSAGE_CREATE)
            await interaction.edit_initial_response("done thinking")
            await interaction.execute("and more")
        elif name == "form":
            row = bot.rest.build_modal_action_row()
            row.add_text_input("name", "Name")
            await interaction.create_modal_response("Who are you?", "form", component=row)
        elif name == "pick":
            row = bot.rest.build_message_action_row()
            menu = row.add_text_menu("pick")
            menu.add_option("Red", "red")
            menu.add_option("Blue", "blue")
            await interaction.create_initial_response(create, "which?", component=row)
        elif name == "kick":
            who = interaction.resolved.members[options["who"]]
            try:
                await bot.rest.kick_user(interaction.guild_id, who, reason="noise")
            except hikari.ForbiddenError as error:
                await interaction.create_initial_response(create, f"refused: {error.code}")
            else:
                await interaction.create_initial_response(create, f"kicked {who.username}")
    elif isinstance(interaction, hikari.ModalInteraction):
        name = interaction.components[0].components[0].value
        await interaction.create_initial_response(create, f"your name is {name}")
    elif isinstance(interaction, hikari.ComponentInteraction):
        if interaction.custom_id == "press":
            await interaction.create_initial_response(hikari.ResponseType.MESSAGE_UPDATE,
                                                      f"pressed by {interaction.user.username}", components=[])
        else:
            await interaction.create_initial_response(create, f"picked {interaction.values[0]}")


bot.run(asyncio_debug=False, check_for_updates=False)
