"""Measures, from inside the plugin, how long a call to the host takes.

An event whose text is "!measure get COUNT" makes COUNT calls one after another and logs
{"median_us": .., "p99_us": ..} with the tag "measured".
"""

import json
import time

from yourbot_sdk import Plugin

plugin = Plugin()


@plugin.on_event("message_create")
def measure(ctx, event):
    words = event.get("content", "").split()
    if len(words) != 3 or words[0] != "!measure":
        return
    count = int(words[2])
    for _ in range(50):
        ctx.kv.get("key")
    took = []
    for _ in range(count):
        start = time.perf_counter_ns()
        ctx.kv.get("key")
        took.append(time.perf_counter_ns() - start)
    took.sort()
    result = {"median_us": took[count // 2] / 1000, "p99_us": took[count * 99 // 100] / 1000}
    ctx.log(json.dumps(result), tags=["measured"])


plugin.run()
