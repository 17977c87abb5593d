# SPDX-License-Identifier: GPL-2.0-only
"""One QEMU process and its lines: QMP, the guest's serial lines, saving and loading."""
import json
import os
import select
import socket
import subprocess
from pathlib import Path

from host import Failure, Lost, find_program

LINES = ("console", "output", "control")


def send(to_qemu, text, *descriptors):
    try:
        if descriptors:
            socket.send_fds(to_qemu, [text.encode()], descriptors)
        else:
            to_qemu.sendall(text.encode())
    except ConnectionError:
        pass               # QEMU is gone, as whoever reads next will find


def receive(from_qemu):
    try:
        return from_qemu.recv(65536)
    except ConnectionError:
        return b""         # the end, with some of what we sent unread


def thread_times(pid):
    """(processor time, time waited for a processor) of each thread, in seconds."""
    times = {}
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        try:
            used, waited, _ = (thread / "schedstat").read_text().split()
        except (OSError, ValueError):
            continue           # it ended meanwhile, or this kernel does not count
        times[thread.name] = int(used) / 1e9, int(waited) / 1e9
    return times


class Qemu:
    """One QEMU process, which is connected to our sockets and inherits some descriptors."""

    def __init__(self, command, descriptors):
        self.events = []
        self.errors = Path("qemu-errors")
        listeners = {name: self.listen(name) for name in LINES + ("qmp",)}
        # Should this program be killed, QEMU is killed too.
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                [find_program("setpriv", "util-linux"), "--pdeathsig", "KILL"]
                + command,
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                pass_fds=descriptors)
        try:
            self.sockets = {name: self.accept(listener)
                            for name, listener in listeners.items()}
            self.qmp_socket = self.sockets.pop("qmp")
            # Without a buffer: select() knows nothing of what is in one.
            self.qmp_input = self.qmp_socket.makefile("rb", buffering=0)
            self.greeting = self.read_qmp()["QMP"]
            self.qmp("qmp_capabilities")
        except Lost as lost:
            raise Failure(f"QEMU does not start: {lost}") from lost

    @staticmethod
    def listen(name):
        Path(name).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(name)
        listener.listen(1)
        return listener

    def accept(self, listener):
        """Waits for QEMU to connect, or to die first."""
        death = os.pidfd_open(self.process.pid)
        ready, _, _ = select.select([listener, death], [], [])
        os.close(death)
        with listener:
            if listener not in ready:
                raise self.died()
            return listener.accept()[0]

    def died(self):
        return Lost(f"QEMU died:\n{self.errors.read_text(errors='replace')}")

    def read_qmp(self):
        try:
            return json.loads(self.qmp_input.readline())
        except (ConnectionError, ValueError) as error:
            raise self.died() from error   # maybe in the middle of a line

    def qmp(self, execute, *descriptors, **arguments):
        request = json.dumps({"execute": execute, "arguments": arguments})
        send(self.qmp_socket, request, *descriptors)
        while True:
            message = self.read_qmp()
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise Failure(f"QEMU, {execute}: {message['error']['desc']}")
            else:
                return message["return"]

    def next_event(self, lines=()):
        """Waits for an event, and returns its name and data; nothing if one of the guest's
        lines has something to read, which came earlier."""
        if not self.events and lines:
            ready, _, _ = select.select([self.qmp_socket, *lines], [], [])
            if ready != [self.qmp_socket]:
                return None
        event = self.events.pop(0) if self.events else self.read_qmp()
        return event["event"], event.get("data", {})

    def wait_event(self, wanted):
        """Waits for the first event for which wanted(name, data) holds."""
        while not wanted(*self.next_event()):
            pass

    def wait_migration(self):
        def finished(name, data):
            if name == "MIGRATION" and data["status"] == "failed":
                raise Failure("QEMU cannot save or restore the guest:\n"
                              + self.errors.read_text(errors="replace"))
            return name == "MIGRATION" and data["status"] == "completed"
        self.wait_event(finished)

    def file(self, path, flags):
        """A file as migration takes it: by its name from QEMU 9.0 on, opened by us before."""
        if self.major >= 9:
            return f"file:{path}"
        descriptor = os.open(path, flags, 0o666)
        self.qmp("getfd", descriptor, fdname="state")
        os.close(descriptor)
        return "fd:state"

    def save(self, path):
        """Writes the stopped guest's state to a file, without memory that is a file itself."""
        self.prepare_migration()
        self.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.qmp("migrate", uri=self.file(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
        self.wait_migration()

    def load(self, path):
        self.prepare_migration()
        self.qmp("migrate-incoming", uri=self.file(path, os.O_RDONLY))
        self.wait_migration()
        self.qmp("cont")
        self.wait_event(lambda name, _: name == "RESUME")

    @property
    def major(self):
        return self.greeting["version"]["qemu"]["major"]

    def can_save_asleep(self):
        """QEMU before 9.0 wakes a guest to save it, maybe so early that it gets no new ID."""
        return self.major >= 9

    def prepare_migration(self):
        """Both sides must ignore memory that is a file, whether there is any or not. QEMU calls
        that experimental."""
        self.qmp("migrate-set-capabilities",
                 capabilities=[{"capability": name, "state": True}
                               for name in ("events", "x-ignore-shared")])

    def times(self):
        """Processor time of all threads so far, and for how long the one that waited most
        for a processor of this machine did so: the time that other programs took."""
        times = thread_times(self.process.pid).values()
        return sum(used for used, _ in times), max((waited for _, waited in times), default=0)

    def kill(self):
        self.process.kill()
        self.process.wait()
