# SPDX-License-Identifier: GPL-2.0-only
"""What the runner of guests needs of this machine: its programs, and how a run can fail."""
import os
import shutil
import subprocess


class Failure(Exception):
    """What ends a run other than COMMAND's own exit."""
    status = 126


class Usage(Failure):
    status = 2


class TimedOut(Failure):
    status = 124


class Lost(Failure):
    status = 125


class Interrupted(Failure):
    pass


def find_program(name, package):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise Failure(f"{name} is missing; run scripts/deps test, or install "
                      f"{package}")
    return path


def run_tool(*command):
    """Runs a program of the host; returns its stdout, or fails with its words."""
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Failure(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout
