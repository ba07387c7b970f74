"""Starts as many threads as it can, all of them busy."""

import threading
import time

from yourbot_sdk import Plugin

plugin = Plugin()


def multiply():
    while True:
        try:
            threading.Thread(target=multiply, daemon=True).start()
        except RuntimeError:
            time.sleep(0)


@plugin.on_event("message_create")
def start(ctx, event):
    threading.Thread(target=multiply, daemon=True).start()


plugin.run()
