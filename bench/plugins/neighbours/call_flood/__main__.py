"""Sends calls as fast as they are taken, without waiting for the answers."""

import os
import threading

from yourbot_sdk import Plugin

plugin = Plugin()
CALLS = b"".join(
    b'{"jsonrpc":"2.0","id":%d,"method":"kv.get","params":{"key":"greeting"}}\n' % number
    for number in range(1_000_000, 1_000_500)
)


def flood():
    while True:
        os.write(1, CALLS)


@plugin.on_event("message_create")
def start(ctx, event):
    threading.Thread(target=flood, daemon=True).start()


plugin.run()
