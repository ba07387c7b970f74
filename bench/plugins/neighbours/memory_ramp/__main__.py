"""Takes memory until it is ended for it, each time it is started."""

from yourbot_sdk import Plugin

plugin = Plugin()


@plugin.on_event("message_create")
def ramp(ctx, event):
    kept = []
    while True:
        kept.append(b"x" * 1024 * 1024)


plugin.run()
