"""Counts messages in discord.py and says when it has had all: BASE GATEWAY TOKEN MESSAGES."""

import asyncio
import sys

import discord
import yarl

BASE, GATEWAY, TOKEN, MESSAGES = sys.argv[1:5]
discord.http.Route.BASE = f"{BASE}/api/v10"
discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(f"{GATEWAY}/")


class Counting(discord.Client):
    left = int(MESSAGES)

    async def on_message(self, message):
        self.left -= 1
        if self.left == 0:
            print("done", flush=True)


async def main():
    async with Counting(intents=discord.Intents.all(), chunk_guilds_at_startup=False) as client:
        await client.start(TOKEN)


asyncio.run(main())
