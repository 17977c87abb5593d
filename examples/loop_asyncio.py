# SPDX-License-Identifier: GPL-2.0-only
"""Print the generation of this machine, and each new one, from a loop of asyncio."""
import asyncio
import contextlib
import os
import struct
import sys


def ready(dev):
    with contextlib.suppress(OSError):
        print("ID %016x:%016x" % struct.unpack("QQ", os.read(dev, 16)), flush=True)


try:
    device = os.open("/dev/vmgencounter", os.O_RDONLY | os.O_NONBLOCK)
except OSError as failure:
    sys.exit(f"/dev/vmgencounter: {failure.strerror}")
loop = asyncio.new_event_loop()
loop.add_reader(device, ready, device)
# The device is never writable, so this is an error.
loop.add_writer(device, sys.exit, "the device is gone, or cannot notify")
loop.run_forever()
