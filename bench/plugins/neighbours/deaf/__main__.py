"""Asks for large answers and never reads one: its input fills up."""

import os
import sys
import time

BOOTED = b'{"jsonrpc":"2.0","id":"h-boot","result":null}\n'
os.write(1, b'{"jsonrpc":"2.0","method":"plugin.log","params":{"level":"info","message":"here"}}\n')
sys.stdin.readline()
os.write(1, BOOTED)
number = 0
while True:
    number += 1
    os.write(1, b'{"jsonrpc":"2.0","id":%d,"method":"kv.get","params":{"key":"large"}}\n' % number)
    time.sleep(0.001)
