"""Uses all the processor time it can get."""

import threading

from yourbot_sdk import Plugin

plugin = Plugin()


def spin():
    while True:
        pass


@plugin.on_event("message_create")
def start(ctx, event):
    for _ in range(4):
        threading.Thread(target=spin, daemon=True).start()


plugin.run()
