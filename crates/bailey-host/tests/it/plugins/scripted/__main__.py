"""Speaks the protocol without an SDK, and does what the text of a message says."""

import json
import os
import sys
import time


def write(frame):
    sys.stdout.write(json.dumps(frame) + "\n")
    sys.stdout.flush()


waiting = []  # events that came while an answer was awaited


def read():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)


def call(number, method, params):
    write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
    while True:
        frame = read()
        if frame.get("id") == number:
            return frame["result"]
        waiting.append(frame)


def obey(word, event_id):
    if word == "hang":
        time.sleep(3600)
    elif word == "die":
        os._exit(7)
    elif word == "flood":
        for _ in range(30_000):
            print("spam")
    elif word == "deaf":  # asks and never reads the answers
        number = 0
        while True:
            number += 1
            write({"jsonrpc": "2.0", "id": number, "method": "kv.get", "params": {"key": "large"}})
    elif word == "once":  # hangs the first time only
        if not call(1, "kv.get", {"key": "tried"})["value"]:
            call(2, "kv.put", {"key": "tried", "value": True})
            time.sleep(3600)
    elif word == "large":
        call(1, "kv.put", {"key": "large", "value": "x" * 60_000})
    call(9, "kv.put", {"key": "done", "value": word + " in " + str(os.getpid())})


write({"jsonrpc": "2.0", "method": "plugin.log", "params": {"level": "info", "message": "started"}})
while True:
    frame = waiting.pop(0) if waiting else read()
    if frame["method"] == "host.boot":
        write({"jsonrpc": "2.0", "id": frame["id"], "result": None})
    elif frame["method"].startswith("event."):
        params = frame["params"]
        obey(params["event"]["content"], params["event_id"])
        write({"jsonrpc": "2.0", "method": "event.ack", "params": {"event_ids": [params["event_id"]]}})
