"""Writes text to standard output and standard error as fast as they are read."""

import os
import threading

from yourbot_sdk import Plugin

plugin = Plugin()
TEXT = b"all work and no play makes a plugin a dull guest\n" * 200


def pour(descriptor):
    while True:
        os.write(descriptor, TEXT)


@plugin.on_event("message_create")
def start(ctx, event):
    for descriptor in (1, 2):
        threading.Thread(target=pour, args=(descriptor,), daemon=True).start()


plugin.run()
