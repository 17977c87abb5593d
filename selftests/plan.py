# SPDX-License-Identifier: GPL-2.0-only
"""What there is to run: tests, kernels, guests, word sizes, and in which tier.

Tests of GUEST_TESTS are programs from selftests/vmgencounter, vpci and win32, each of which
is started in a guest of its own, so that one which takes the guest down takes no other test
with it. Guests that are alike are booted once: as many as there are tests go on from where
that one was saved. Those of TOGETHER share one, and get one each if that is lost.
RELEASE_TESTS and HOST_TESTS run on this machine.
"""
import dataclasses
import itertools
import math
import os
import pathlib
import re
import zlib

TOP = pathlib.Path(__file__).resolve().parent.parent
VM = TOP / "selftests/qemu/vm"
LOGS = TOP / "build/test"
MACHINES = TOP / "build/machines"

RELEASES = ("bullseye", "bookworm", "trixie", "trixie-backports", "trixie-rt",
            "trixie-novmgenid", "trixie-modvmgenid", "bookworm-arm64", "trixie-arm64")

# How a guest is started, what runs in it before the test, and the test's environment.
#   qemu  QEMU's device; a change is a snapshot restored with a new ID
#   fast  the SSDT's device; the in-tree driver is bound, as on qemu
#   acpi  the same without the in-tree driver, so that we handle the Notify
#   deaf  the same with sysgenid=1, and no Notify handler can be installed
#   sealed  QEMU's device; the kernel takes itself for a confidential guest
#   sysgenid  as fast, with the module's parameter sysgenid=1
#   taken  the same, and another driver has the name sysgenid before
#   soft  the SSDT's device; modprobe is asked for our module alone
#   late  the same, and the in-tree driver, a module here, is loaded after ours
#   broken, ram, crossing  what firmware gets wrong: see selftests/qemu/vmgen-*.asl
#   dt    the devicetree's device (arm64); the in-tree driver is bound if it knows it
#   dt-late  the same, with one processor, as on deaf
#   dt-...  as the above, of the devicetree: see selftests/qemu/vmgen*.dtsi
#   overlay  none until vmgen_overlay.ko has the devicetree's device, on x86; the in-tree driver
#         is bound if it is there
#   vpci  a Hyper-V host's PCI bus, by vpci_fake.ko instead of hv_pci
#   sriov the same, and a disk of QEMU's with virtual functions
#   hvpci hv_pci itself, over a VMBus that vpci_sim.ko has with the host behind it; memory
#         that is not the kernel's (on arm64 there always is some) is configuration space
# The kernel's test mode of hibernation waits five seconds in a loop, which it counts by its
# calibration: by this one a hundredth of that.
SHORT_DELAYS = ["--append", "lpj={lpj}"]
FAST = ["--device", "ssdt", "--module", "{build}/vmgen_test.ko"] + SHORT_DELAYS
# The second name, misspelled as it is, is that of newer kernels.
NO_INTREE = ["--append", "initcall_blacklist=vmgenid_driver_init,vmgenid_plaform_driver_init"
             " module_blacklist=vmgenid"]
SYSGENID = ["--append", "vmgencounter.sysgenid=1"]
DT = ["--device", "dt", "--module", "{build}/vmgen_test.ko"] + SHORT_DELAYS
SRIOV = ["--qemu", "-machine q35 -device nvme-subsys,id=sub -device nvme,serial=1,subsys=sub,"
         "sriov_max_vfs=2,sriov_vq_flexible=4,sriov_vi_flexible=2,max_ioqpairs=6,msix_qsize=8"]
# Modules of ours: what plays the host, drivers for its functions, and what is tested.
FAKE_VPCI = ("vpci_driver", "vpci_fake", "vpci_block")
SIM_VPCI = ("vpci_driver", "vpci_sim", "vpci_hv_pci", "vpci_block")


def vpci_of(modules):
    return ["--device", "none", "--no-module", "--module", "pci-hyperv-intf"] + [
        word for name in modules for word in ("--module", "{build}/" + name + ".ko")]


def vpci_load(modules):
    return f"for m in {' '.join(modules)}; do /sbin/modprobe $m || exit; done"


def dt_of(what):
    return ["--device", "none", "--module", "{build}/vmgen_test.ko",
            "--devicetree", f"{TOP}/selftests/qemu/vmgen-{what}.dtsi"]


GUESTS = {
    "qemu": ([], "true", ""),
    "fast": (FAST, "modprobe vmgen_test", ""),
    "acpi": (FAST + NO_INTREE, "modprobe vmgen_test", ""),
    "sysgenid": (FAST + SYSGENID, "modprobe vmgen_test", ""),
    "taken": (FAST + SYSGENID + ["--module", "{build}/vmgen_sysgenid.ko", "--append", "vmgen.noload"],
              "for m in vmgen_sysgenid vmgencounter vmgen_test; do /sbin/modprobe $m || exit; done", ""),
    "soft": (FAST + ["--append", "vmgen.noload"],
             "/sbin/modprobe vmgencounter && modprobe vmgen_test", ""),
    "late": (FAST + ["--append", "vmgen.noload"],
             "insmod /lib/modules/*/vmgencounter.ko && modprobe vmgenid && modprobe vmgen_test", ""),
    # One processor, as a probe is set: emulators may miss code that another one changes.
    "deaf": (FAST + NO_INTREE + ["--module", "{build}/vmgen_deaf.ko", "--smp", "1",
                                 "--append", "vmgen.noload"],
             "modprobe vmgen_deaf && modprobe vmgencounter sysgenid=1 && modprobe vmgen_test", ""),
    "sealed": (["--module", "{build}/vmgen_sealed.ko", "--smp", "1", "--append", "vmgen.noload"],
               "modprobe vmgen_sealed && modprobe vmgencounter", ""),
    # Without nopat, x86 would not map an HPET as memory.
    "broken": (["--device", "none", "--acpitable", "{acpi}/vmgen-broken.aml",
                "--append", "memmap=4K$0x10000000 nopat"] + NO_INTREE, "true", ""),
    "ram": (["--device", "none", "--acpitable", "{acpi}/vmgen-ram.aml"], "true", ""),
    "crossing": (["--device", "none", "--acpitable", "{acpi}/vmgen-crossing.aml",
                  "--append", "memmap=8K$0x10000000"], "true", ""),
    "dt": (DT, "modprobe vmgen_test", ""),
    "dt-irq": (DT + NO_INTREE, "modprobe vmgen_test", ""),
    "dt-deaf": (dt_of("deaf") + NO_INTREE + SYSGENID, "modprobe vmgen_test", ""),
    "dt-broken": (dt_of("broken") + NO_INTREE, "true", ""),
    "dt-late": (["--device", "dt", "--smp", "1", "--module", "{build}/vmgen_late.ko"], "true", ""),
    "dt-ram": (dt_of("ram") + NO_INTREE, "true", ""),
    "dt-crossing": (dt_of("crossing") + NO_INTREE, "true", ""),
    # Without nopat, x86 would not map the ID as normal memory where vmgenid has it as a device's.
    "overlay": (["--device", "none", "--module", "{build}/vmgen_overlay.ko",
                 "--module", "{build}/vmgen_test.ko",
                 "--append", "memmap=4K$0x10000000 nopat"], "true", ""),
    "vpci": (vpci_of(FAKE_VPCI), vpci_load(FAKE_VPCI), ""),
    "sriov": (vpci_of(FAKE_VPCI) + SRIOV, vpci_load(FAKE_VPCI), "SRIOV=1"),
    "hvpci": (vpci_of(SIM_VPCI) + ["--append", "memmap=8K$0x10010000"], vpci_load(SIM_VPCI), ""),
}
FAST_GUESTS = ("fast", "acpi", "dt", "dt-irq")  # where a change takes a millisecond
ALL = ("qemu",) + FAST_GUESTS
# Kernels on which it makes no difference that the in-tree driver is left out: those
# without it, and one whose in-tree driver knows no devicetree (and ACPI on arm64 is
# tested with the other kernel of arm64).
WITHOUT_INTREE = ("bullseye", "trixie-novmgenid")
WITHOUT_DT_DRIVER = ("bookworm-arm64",)
INTREE_MODULE = ("trixie-modvmgenid",)
MODULE_GUESTS = ("soft", "late")
# Of these the in-tree driver is what matters; 32-bit programs are tested with others.
BUILT = ("trixie-novmgenid", "trixie-modvmgenid")
# memremap() of 7.3 does as it is told, and of 6.12 vmgen_sealed.ko cannot probe what it has to.
SEALED = ("bullseye", "bookworm")
# The counter does not depend on the in-tree driver, nor on who describes the device.
SYSGENID_GUESTS = ("sysgenid", "taken")
SYSGENID_RELEASES = ("bullseye", "bookworm", "trixie", "trixie-backports", "trixie-rt",
                     "trixie-arm64")
VPCI_GUESTS = ("vpci", "sriov", "hvpci")
# The one of those that has a backchannel sees a wrong order of locks, in what runs most ways.
LOCKDEP = "trixie-modvmgenid"
LOCKDEP_TESTS = ("vpci_invalidate_test", "vpci_uring_test", "vpci_torture_test")
# stress_test makes all of its changes on this one, fewer elsewhere, and least where the kernel
# checks itself or the emulation is slowest. It alone has two processors that run at the same
# time, and no other test beside it: while one waits for its turn, the other spins for the locks
# that it holds. The second starts when the kernel has booted and changed its own code: see
# --accel of vm. That takes the delays of a real processor (lpj=0).
STRESSED = "trixie"
SLOW = ("trixie-rt", "trixie-arm64", "bookworm-arm64") + BUILT
PARALLEL = ("stress_test",)
# Of the guest's time, for what takes long.
LONG_TIMEOUT = ["--timeout", "1800"]
# vpci_torture_test goes on for so many seconds where it is run, ten minutes in all, or
# TORTURE_SECONDS. By chance, or by TORTURE_SEED, which a run prints.
TORTURED = {("bookworm", "vpci"): 30, ("trixie", "vpci"): 450, ("trixie", "hvpci"): 60,
            (LOCKDEP, "vpci"): 60}
# A race with many rounds has all of them on one kernel, in a 64-bit program, and else a quarter
# of them: others ask whether another kernel gets it wrong at all. That kernel is the one that
# `make test` runs in full, but for what that cannot do. On qemu a change takes a second, so that no
# race has one in it, and a quarter is enough, too.
MANY_ROUNDS = {"uring_cmd_test": "trixie"}
FEWER_ROUNDS = 25              # percent
# These wait for much of their time, for periods of the module and for the kernel's RCU: the
# part of a processor that each takes.
WAITING = {"vpci_host_test": 0.25, "vpci_invalidate_test": 0.5, "vpci_bus_test": 0.5}

# rng_test wants events that are on from the boot: see there. The others, which share that boot,
# do not look at them.
EVENTS = ["--append", "trace_event=sched:sched_waking ftrace=function"
          " ftrace_filter=add_device_randomness,crng_reseed"]
TRACED = ALL + MODULE_GUESTS

# Program: (guests, word sizes, more arguments for the guest)
GUEST_TESTS = {
    "stress_test": (("fast", "acpi", "dt", "dt-irq"), (64,),
                    ["--accel", "tcg,thread=multi", "--append", "maxcpus=1 lpj=0"]),
    "ioctl_test": (ALL, (64, 32), []),
    "read_test": (ALL, (64, 32), []),
    "poll_test": (ALL, (64, 32), []),
    "uring_test": (FAST_GUESTS, (64,), []),
    "uring_cmd_test": (FAST_GUESTS, (64,), []),
    "mmap_test": (ALL, (64, 32), []),
    "public_test": (ALL, (64, 32), []),
    "sysfs_test": (ALL, (64, 32), []),
    "unbind_test": (ALL, (64, 32), []),
    "lib_test": (("qemu", "acpi", "dt"), (64, 32), []),
    "win32_test": (("qemu", "acpi"), (64, 32), []),
    "win32_names_test": (("acpi",), (64, 32), []),
    "win32_pending_test": (("qemu", "acpi"), (64, 32), []),
    "win32_cancel_test": (("acpi",), (64, 32), []),
    "win32_deaf_test": (("deaf",), (64,), []),
    "win32_vpci_test": (("vpci", "hvpci"), (64, 32), []),
    "vmgenctl_test": (("qemu", "acpi"), (64,), []),
    "vmgenctl_exec_test": (("qemu", "acpi"), (64,), []),
    "vmgenctl_info_test": (("qemu", "acpi"), (64,), []),
    "vmgenctl_deaf_test": (("deaf",), (64,), []),
    "rng_test": (TRACED, (64,), []),
    "flags_test": (ALL + MODULE_GUESTS + ("deaf", "dt-deaf"), (64,), []),
    "sysgenid_test": (("sysgenid",), (64,),
                      ["--append", "ftrace=function ftrace_filter=crng_reseed"]),
    "sysgenid_taken_test": (("taken",), (64,), []),
    "deaf_test": (("deaf", "dt-deaf"), (64,), []),
    "firmware_test": (("broken",), (64,), []),
    "devicetree_test": (("dt-broken",), (64,), []),
    "dt_late_test": (("dt-late",), (64,), []),
    "overlay_test": (("overlay",), (64,), []),
    "nommap_test": (("sealed", "ram", "crossing", "dt-ram", "dt-crossing"), (64,), []),
    "pm_test": (("fast", "acpi", "dt", "dt-irq"), (64,), []),
    "vpci_ioctl_test": (("vpci", "hvpci"), (64, 32), []),
    "vpci_host_test": (("vpci", "hvpci"), (64,), []),
    "vpci_invalidate_test": (("vpci", "hvpci"), (64, 32), []),
    "vpci_vmgenctl_test": (("vpci", "hvpci"), (64,), []),
    "vpci_uring_test": (("vpci", "hvpci"), (64,), []),
    "vpci_bus_test": (("vpci", "sriov", "hvpci"), (64,), []),
    "vpci_wire_test": (("hvpci",), (64,), []),
    "vpci_memory_test": (("vpci", "hvpci"), (64,), []),
    # The allocator checks all that it gives and gets back.
    "vpci_torture_test": (("vpci", "hvpci"), (64,), ["--append", "slub_debug=FZPU"]),
}
# The libraries see of a kernel what the other tests compare on all of them. That for sources
# from Windows waits in one of two ways: that of all kernels, and that of those from 6.8 on.
KERNELS_OF = {
    "lib_test": ("bullseye", "bookworm", "trixie-backports", "trixie-arm64"),
    "win32_test": ("bookworm", "trixie-backports"),
    "win32_names_test": ("bookworm",),
    "win32_pending_test": ("bullseye", "bookworm", "trixie", "trixie-backports"),
    "win32_cancel_test": ("bullseye", "bookworm", "trixie", "trixie-backports"),
    "win32_deaf_test": ("bookworm",),
    "win32_vpci_test": ("bookworm", "trixie-backports"),
}
# And vmgenctl no more than the library does, which it runs on.
CTL_TESTS = ("vmgenctl_test", "vmgenctl_exec_test", "vmgenctl_info_test", "vmgenctl_deaf_test",
             "vpci_vmgenctl_test")
KERNELS_OF |= dict.fromkeys(CTL_TESTS, ("bookworm", "trixie-backports"))
# Most of a short test is the time to restore its guest, and to translate the kernel's code for
# another emulator once more. These run one after the other in one guest, as they leave it as it
# was. flags_test and vmgenctl_info_test want no change before them, vpci_vmgenctl_test the
# module as the guest has loaded it, and what may break most is last.
TOGETHER = ("flags_test", "vmgenctl_info_test", "ioctl_test", "read_test", "poll_test",
            "mmap_test", "public_test", "sysfs_test", "uring_test", "lib_test", "win32_test",
            "win32_names_test", "win32_pending_test", "win32_cancel_test", "vmgenctl_test",
            "vmgenctl_exec_test", "rng_test", "unbind_test", "vpci_vmgenctl_test", "vpci_ioctl_test",
            "vpci_uring_test", "vpci_memory_test", "win32_vpci_test")
# Of this machine too, with a release as their argument.
RELEASE_TESTS = {
    "dkms_test": ("selftests/host/dkms_test",
                  ("bullseye", "bookworm", "trixie", "trixie-backports")),
    "lockdown_test": ("selftests/host/lockdown_test", ("bookworm", "trixie")),
    "novpci_test": ("selftests/host/novpci_test", ("trixie-novmgenid",)),
    "clones_test": ("selftests/host/clones_test",
                    tuple(name for name in RELEASES if not name.endswith("-arm64"))),
    "loops_test": ("selftests/host/loops_test",
                   ("bullseye", "bookworm", "trixie", "trixie-backports")),
    "bench_test": ("selftests/host/bench_test", ("bookworm", "trixie-backports")),
    "secrets_test": ("selftests/host/secrets_test", ("bookworm", "trixie")),
    "openssl_package_test": ("selftests/host/openssl_package_test", ("bookworm", "trixie")),
    "hooks_test": ("selftests/host/hooks_test", ("bookworm", "trixie")),
    "wine_test": ("selftests/host/wine_test", ("bookworm", "trixie")),
    "wine_device_test": ("selftests/host/wine_device_test", ("bookworm", "trixie")),
    "wine_package_test": ("selftests/host/wine_package_test", ("bookworm", "trixie")),
    "hibernate_test": ("selftests/host/hibernate_test",
                       ("bullseye", "bookworm", "trixie", "trixie-backports")),
}
# The disk image that make has to make for these, which brings a Debian system; those of other
# releases take WHOLE's.
IMAGES = {"secrets_test": "programs", "loops_test": "programs", "deno_test": "programs",
          "openssl_package_test": "programs", "wine_test": "wine", "wine_device_test": "wine",
          "wine_package_test": "wine"}
IMAGE_RELEASES = ("bookworm", "trixie")
# Those that want a guest and do not care which take bookworm's.
HOST_TESTS = {
    "debian12_host_test": ["selftests/host/debian_host_test", "bookworm"],
    "debian13_host_test": ["selftests/host/debian_host_test", "trixie"],
    "vm_test": ["selftests/qemu/vm_test"],
    "demo_test": ["selftests/host/demo_test"],
    "demo_hooks_test": ["selftests/host/demo_hooks_test"],
    "install_test": ["selftests/host/install_test"],
    "library_test": ["selftests/host/library_test"],
    "win32_headers_test": ["selftests/host/win32_headers_test"],
    "vmgenctl_host_test": ["selftests/host/vmgenctl_host_test"],
    "packages_test": ["selftests/host/packages_test"],
    "rpm_test": ["selftests/host/rpm_test"],
    "deno_test": ["selftests/host/deno_test"],
    "hang_test": ["selftests/host/hang_test"],
    "build_cache_test": ["selftests/host/build_cache_test"],
    "run_test": ["selftests/host/run_test"],
}
# The tier "test": this machine, all of one kernel, and this of the oldest and the newest.
WHOLE = "bookworm"
CORE_RELEASES = ("bullseye", "trixie-backports")
CORE_TESTS = ("ioctl_test", "read_test", "poll_test", "mmap_test", "unbind_test",
              "win32_pending_test", "vpci_ioctl_test")
# Of the hooks, demo_hooks_test has what they are for.
NOT_CORE = ("debian12_host_test", "debian13_host_test", "bench_test", "hibernate_test",
            "hooks_test", "wine_device_test", "wine_package_test")
CORE_GUESTS = ("qemu", "acpi", "vpci")
TIERS = ("test", "rest", "all")


@dataclasses.dataclass(eq=False)
class Machine:
    """A kind of guest; its tests go on from where it was saved, or boot it themselves."""
    release: str
    guest: str
    options: tuple             # more than the guest's own
    programs: list = dataclasses.field(default_factory=list)
    users: int = 0             # tests that have yet to end
    saved: bool = False

    @property
    def name(self):
        return f"{self.release} {self.guest}"

    @property
    def is_worth_saving(self):
        """Several tests use it, or one that runs alone, which has not to wait for its boot."""
        return len(self.programs) > 1 or self.programs[0][0] in PARALLEL

    @property
    def directory(self):
        return MACHINES / f"{self.name}-{zlib.crc32(repr(self.options).encode()):x}".replace(" ", "-")

    def boot_command(self, programs, words):
        """vm, to boot it with these programs, (name, bits) each."""
        build = TOP / "build" / self.release
        arm64 = self.release.endswith("-arm64")
        acpi = TOP / ("build/acpi-arm64" if arm64 else "build/acpi")
        command = [str(VM), "run", "--release", self.release]
        lpj = 2500 if arm64 else 100000        # it counts by another clock
        command += [word.format(build=build, acpi=acpi, lpj=lpj) for word in GUESTS[self.guest][0]]
        command += self.options
        programs = programs + sorted({("vmgenctl", bits) for name, bits in programs if name in CTL_TESTS})
        for name, bits in programs:
            binary = TOP / "build/selftests" / ("arm64" if arm64 else str(bits)) / name
            command += ["--file", f"{binary}:/tests/{bits}/{name}"]
        return command + words

    def restore_command(self, words):
        return [str(VM), "run", "--from", str(self.directory), *words]

    def save_command(self):
        return self.boot_command(self.programs, [
            "--save", str(self.directory), "--", "sh", "-c", GUESTS[self.guest][1]])


@dataclasses.dataclass(eq=False)
class Job:
    """One test in one guest, or on this machine."""
    name: str
    test: str
    kernel: str = ""           # none of a test of this machine
    guest: str = ""
    bits: int = 0
    host_command: list = None
    machine: Machine = None
    alone: bool = False        # whatever TOGETHER says

    @property
    def weight(self):          # in processors of this machine
        return math.inf if self.test in PARALLEL else WAITING.get(self.test, 1)

    @property
    def release(self):
        """Whose system it wants."""
        return self.kernel or WHOLE

    @property
    def needs(self):
        """What make has to make before."""
        targets = [f"guest-{self.release}"]
        if self.test in IMAGES:
            system = self.release if self.release in IMAGE_RELEASES else WHOLE
            targets.append(f"build/{system}-{IMAGES[self.test]}.img")
        return targets

    @property
    def is_long(self):
        """It may take minutes."""
        return bool(self.host_command) or self.test == "vpci_torture_test"

    @property
    def log(self):
        return LOGS / (self.name.replace(" ", "-") + ".log")

    @property
    def times(self):
        return self.log.with_suffix(".times")

    @property
    def is_core(self):
        return (self.kernel in CORE_RELEASES and self.test in CORE_TESTS
                and self.guest in CORE_GUESTS and self.bits == 64)

    @property
    def tier(self):
        whole = self.release == WHOLE and self.test not in NOT_CORE
        return "test" if whole or self.is_core else "rest"

    def command(self):
        if self.host_command:
            return self.host_command
        words = ["--times", str(self.times), "--console", str(self.log.with_suffix(".console"))]
        if self.test in PARALLEL or self.test == "vpci_torture_test":
            words += LONG_TIMEOUT
        script = f"exec {self.program()}"
        if self.test in PARALLEL:
            script = f"echo 1 >/sys/devices/system/cpu/cpu1/online && {script}"
        if self.machine.saved:
            return self.machine.restore_command(words + ["--", "sh", "-c", script])
        return self.machine.boot_command([(self.test, self.bits)], words + [
            "--", "sh", "-c", f"{GUESTS[self.guest][1]} && {script}"])

    def program(self):
        return f"env {self.environment()} /tests/{self.bits}/{self.test}"

    def environment(self):
        more = GUESTS[self.guest][2]
        if self.test == "stress_test" and self.kernel != STRESSED:
            more += f" CHANGES={200 if self.kernel in SLOW else 1000}"
        if self.test == "vpci_torture_test":
            seconds = os.environ.get("TORTURE_SECONDS", TORTURED[self.kernel, self.guest])
            more += f" TORTURE_SECONDS={seconds} TORTURE_SEED={os.environ.get('TORTURE_SEED', 0)}"
        if (self.kernel != MANY_ROUNDS.get(self.test, WHOLE) or self.bits == 32
                or self.guest == "qemu"):
            more += f" ROUNDS={FEWER_ROUNDS}"
        return more


# After each program of several in a guest: its status, and the guest's clock. On a line of its
# own, wherever the program was killed.
ENDED = re.compile(r"\n# ended with (\d+) at ([\d.]+)\n")


def together_command(jobs, times):
    """vm, to run these in one guest; what each prints ends with a line of ENDED."""
    script = "ended() { read -r up _ </proc/uptime; echo; echo \"# ended with $1 at $up\"; }\nended 0\n"
    script += "".join(f"{job.program()}\nended $?\n" for job in jobs)
    return jobs[0].machine.restore_command([
        "--times", str(times), "--console", str(times.with_suffix(".console")), *LONG_TIMEOUT,
        "--", "sh", "-c", script])


def has_guest(release, guest, bits):
    """Whether a kernel and its machine can be such a guest, other than all the others."""
    if guest in MODULE_GUESTS and release not in INTREE_MODULE:
        return False
    if guest == "sealed" and release not in SEALED:
        return False
    if guest == "overlay":                     # Debian's kernels know none
        return release in BUILT
    if guest in SYSGENID_GUESTS and release not in SYSGENID_RELEASES:
        return False
    if guest in VPCI_GUESTS:
        if release in BUILT:
            return release == LOCKDEP and guest == "vpci" and bits == 64
        return not release.endswith("-arm64") or guest != "sriov" and bits == 64
    if release.endswith("-arm64"):             # QEMU's device is for x86
        return bits == 64 and guest != "qemu" and (
            release not in WITHOUT_DT_DRIVER or guest.startswith("dt") and guest != "dt-irq")
    if guest.startswith("dt") or bits == 32 and release in BUILT:
        return False
    return guest != "fast" or release not in WITHOUT_INTREE


def guest_jobs(releases):
    for release in releases:
        for program, (guests, sizes, _) in GUEST_TESTS.items():
            for guest, bits in itertools.product(guests, sizes):
                if (has_guest(release, guest, bits)
                        and release in KERNELS_OF.get(program, RELEASES)
                        and (release != LOCKDEP or guest != "vpci" or program in LOCKDEP_TESTS)
                        and (program != "vpci_torture_test" or (release, guest) in TORTURED)):
                    yield Job(f"{program} {release} {guest} {bits}-bit", program, release,
                              guest, bits)


def host_jobs(releases):
    for test, (command, known) in RELEASE_TESTS.items():
        for release in releases:
            if release in known:
                yield Job(f"{test} {release}", test, release,
                          host_command=[str(TOP / command), release])
    for test, command in HOST_TESTS.items():
        yield Job(test, test, host_command=[str(TOP / command[0])] + command[1:])


def add_machines(jobs):
    """Each job gets the machine that it shares with those that want the same."""
    machines = {}
    for job in jobs:
        if job.host_command:
            continue
        options = tuple(GUEST_TESTS[job.test][2] or (EVENTS if job.guest in TRACED else []))
        key = (job.kernel, job.guest, options)
        job.machine = machines.setdefault(key, Machine(*key))
        job.machine.programs.append((job.test, job.bits))
        job.machine.users += 1


def plan(tier, releases, wanted, first=0):
    """The jobs, those that take long first, and of each kernel's others those that mostly wait:
    the rest then fills what time is left.
    Wanted are names of tests or of jobs; none means all. The order of releases is rotated by
    first, any number."""
    first %= len(RELEASES)
    order = RELEASES[first:] + RELEASES[:first]
    jobs = [job for job in [*host_jobs(releases), *guest_jobs(releases)]
            if tier in ("all", job.tier)
            and (not wanted or job.test in wanted or job.name in wanted)]
    jobs.sort(key=lambda job: (job.release != WHOLE, not job.is_long, job.test not in PARALLEL,
                               order.index(job.release), job.test not in WAITING,
                               job.guest))
    add_machines(jobs)
    return jobs


def tests():
    return [*GUEST_TESTS, *RELEASE_TESTS, *HOST_TESTS]
