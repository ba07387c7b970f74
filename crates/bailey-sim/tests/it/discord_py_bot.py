"""A small discord.py bot for the simulator's held-out test: BASE GATEWAY TOKEN."""

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


class Bot(discord.Client):
    def __init__(self):
        super().__init__(intents=discord.Intents.all())
        self.tree = app_commands.CommandTree(self)

    async def on_ready(self):
        guild = self.guilds[0]
        self.tree.copy_global_to(guild=guild)
        await self.tree.sync(guild=guild)
        text = f"ready in {guild.name} with {len(guild.members)} members"
        await guild.text_channels[0].send(text)

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


async def main():
    async with bot:
        await bot.start(TOKEN)


asyncio.run(main())
