"""The bot of `clients`, in discord.py: BASE GATEWAY TOKEN."""

import asyncio
import io
import sys

import discord
import yarl
from discord import app_commands

BASE, GATEWAY, TOKEN = sys.argv[1:4]
discord.http.Route.BASE = f"{BASE}/api/v10"
discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(f"{GATEWAY}/")


class Form(discord.ui.Modal, title="Who are you?"):
    name = discord.ui.TextInput(label="Name")

    async def on_submit(self, interaction):
        await interaction.response.send_message(f"your name is {self.name.value}")


class Press(discord.ui.View):
    @discord.ui.button(label="Press")
    async def press(self, interaction, _button):
        await interaction.response.edit_message(content=f"pressed by {interaction.user.name}", view=None)


class Pick(discord.ui.View):
    @discord.ui.select(options=[discord.SelectOption(label="Red", value="red"),
                                discord.SelectOption(label="Blue", value="blue")])
    async def pick(self, interaction, select):
        await interaction.response.send_message(f"picked {select.values[0]}")


class Bot(discord.Client):
    def __init__(self):
        super().__init__(intents=discord.Intents.all())
        self.tree = app_commands.CommandTree(self)
        self.greeted = False

    async def on_ready(self):
        if self.greeted:
            return
        self.greeted = True
        guild = self.guilds[0]
        self.tree.copy_global_to(guild=guild)
        await self.tree.sync(guild=guild)
        await guild.text_channels[0].send(f"ready in {guild.name} with {len(guild.members)} members")

    async def on_message(self, message):
        if message.content == "!ping" and not message.author.bot:
            file = discord.File(io.BytesIO(b"data"), "file.txt")
            await message.reply("Pong!", embed=discord.Embed(title="an embed"), file=file)


bot = Bot()


@bot.tree.command(description="Says hello")
async def greet(interaction: discord.Interaction, who: discord.Member, times: int = 1):
    await interaction.response.send_message(f"hello {who.name} x{times}", view=Press(), ephemeral=True)


@bot.tree.command(description="Takes its time")
async def slow(interaction: discord.Interaction):
    await interaction.response.defer(thinking=True)
    await interaction.edit_original_response(content="done thinking")
    await interaction.followup.send("and more")


@bot.tree.command(description="Asks")
async def form(interaction: discord.Interaction):
    await interaction.response.send_modal(Form())


@bot.tree.command(description="Lets one choose")
async def pick(interaction: discord.Interaction):
    await interaction.response.send_message("which?", view=Pick())


@bot.tree.command(description="Removes somebody")
async def kick(interaction: discord.Interaction, who: discord.Member):
    try:
        await who.kick(reason="noise")
    except discord.Forbidden as error:
        await interaction.response.send_message(f"refused: {error.code}")
    else:
        await interaction.response.send_message(f"kicked {who.name}")


async def main():
    async with bot:
        await bot.start(TOKEN)


asyncio.run(main())
