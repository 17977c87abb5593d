# SPDX-License-Identifier: GPL-2.0-only
"""For the demonstration and its test: a program that knows nothing of clones. It draws once,
so that it has a generator, and then for each line that it is sent."""
import ssl
import sys

ssl.RAND_bytes(16)
print("ready", flush=True)
for line in sys.stdin:
    print(line.strip(), ssl.RAND_bytes(16).hex(), flush=True)
