# SPDX-License-Identifier: GPL-2.0-only
"""The files that a guest is made of: its initramfs, ACPI tables, devicetree."""
import lzma
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from host import Usage, find_program, run_tool

HERE = Path(__file__).resolve().parent
GUEST_PATH = ("usr/local/bin", "bin", "sbin", "usr/bin", "usr/sbin")
GUEST_DIRS = GUEST_PATH + ("dev", "etc", "proc", "sys", "root", "run", "tmp")


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def make_archive(directory, archive):
    run_tool("sh", "-c", 'cd "$1" && find . -print0 | "$2" --quiet -0 -o -H newc -R 0:0 >"$3"',
             "sh", directory, find_program("cpio", "cpio"), archive)


def command_script(argv):
    """The inner shell becomes COMMAND; what the outer one says of its death is no part of
    its output. The trap is for busybox's shell, whose children else ignore SIGQUIT. By the
    last line a guest that was saved knows that all has come."""
    return f"trap : QUIT\ncd /root\n(exec 2>&1; {shlex.join(argv)})\nexit $?\n"


class Tree:
    """Files for the guest, among them its side of the serial lines."""

    def __init__(self, path, init):
        self.path = path
        (path / "usr/local/bin").mkdir(parents=True)
        shutil.copy(HERE / init, path)
        shutil.copy(HERE / "lines", path)
        shutil.copy(HERE / "new-generation", path / "usr/local/bin")

    def add(self, source, target):
        """A file, or a directory with all that is in it."""
        path = self.path / target.lstrip("/")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, path, symlinks=True, dirs_exist_ok=True)
            else:
                path.unlink(missing_ok=True)    # a busybox applet gives way
                shutil.copy(source, path)
        except OSError as error:
            raise Usage(f"cannot copy {source} to {target}: {error}") from error

    def set_command(self, argv):
        """Writes the script that init runs."""
        (self.path / "run-command").write_text(command_script([self.find(argv[0])] + argv[1:]))

    def find(self, name):
        """A command's path in the guest; the name itself if it has none."""
        for directory in GUEST_PATH if "/" not in name else ():
            if os.path.lexists(self.path / directory / name):
                return f"/{directory}/{name}"
        return name

    def pack(self, archive):
        make_archive(self.path, archive)


class Root(Tree):
    """The guest's root file system, an initramfs."""

    def __init__(self, path, image):
        super().__init__(path, "init")
        self.kver = (image / "release").read_text().strip()
        self.modules = path / "lib/modules" / self.kver
        self.library_dirs = set()
        for name in GUEST_DIRS:
            (path / name).mkdir(parents=True, exist_ok=True)
        self.add_busybox(image)
        self.modules.mkdir(parents=True)
        for name in ("modules.order", "modules.builtin",
                     "modules.builtin.modinfo"):
            shutil.copy(image / "modules" / name, self.modules)
        (path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n"
                                         "nobody:x:65534:65534::/:/bin/sh\n")
        (path / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")

    def add_busybox(self, image):
        # That of another architecture does not tell us here what it has.
        busybox = find_program("busybox", "busybox-static")
        foreign = image / "busybox"
        self.add(foreign if foreign.exists() else Path(busybox), "/bin/busybox")
        # Names of one link: hundreds of files would take this machine's file system longer.
        first = self.path / "applet"
        first.symlink_to("/bin/busybox")
        for applet in run_tool(busybox, "--list-full").split():
            link = self.path / applet
            if link.parent.is_dir() and not link.exists():
                os.link(first, link, follow_symlinks=False)
        first.unlink()

    def add(self, source, target):
        super().add(source, target)
        files = [source] if source.is_file() else source.rglob("*")
        for file in files:
            if file.is_file() and is_elf(file):
                self.add_libraries(file)

    def add_libraries(self, source):
        # ldd fails on a static program and says nothing that looks like a path.
        listed = subprocess.run(["ldd", source], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True,
                                check=False).stdout
        missing = re.search(r"(\S+) => not found", listed)
        if missing:
            raise Usage(f"{source} needs {missing[1]}, which is not installed")
        for library in re.findall(r"(/\S+) \(0x", listed):
            self.library_dirs.add(os.path.dirname(library))
            path = self.path / library.lstrip("/")
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, path)

    def add_module(self, source):
        shutil.copy(source, self.modules)

    def add_kernel_module(self, name, image):
        """A module of the kernel's own, with those that it needs. Only kmod's modprobe
        knows all the ways in which they are compressed."""
        modules = (image / "modules").resolve()
        if (image / "busybox").exists():       # another architecture's, not seen by depmod
            self.add_unpacked_module(name, modules)
            return
        self.add(Path(find_program("modprobe", "kmod")), "/sbin/modprobe")
        wanted = run_tool(find_program("modprobe", "kmod"), "--show-depends", "-S", modules.name,
                          "-d", modules.parents[2], name)
        for source in re.findall(r"^insmod (\S+)", wanted, re.M):
            self.add_module(source)

    def add_unpacked_module(self, name, modules):
        source = next(modules.rglob(f"{name}.ko*"))
        opener = lzma.open if source.suffix == ".xz" else open
        with opener(source, "rb") as file:
            (self.modules / f"{name}.ko").write_bytes(file.read())

    def pack(self, archive):
        run_tool(find_program("depmod", "kmod"), "-b", self.path, self.kver)
        (self.path / "etc/ld.so.conf").write_text(
            "".join(f"{name}\n" for name in sorted(self.library_dirs)))
        run_tool(find_program("ldconfig", "libc-bin"), "-r", self.path)
        super().pack(archive)


def prepend_tables(tables, initrd):
    """Where the kernel looks for ACPI tables: in a first archive of its own."""
    early = initrd.with_name("early")
    directory = early / "kernel/firmware/acpi"
    directory.mkdir(parents=True)
    for number, table in enumerate(tables):
        shutil.copy(table, directory / f"{number}.aml")
    both = initrd.with_name("early.cpio")
    make_archive(early, both)
    with open(both, "ab") as file:
        file.write(initrd.read_bytes())
    both.rename(initrd)


def make_devicetree(machine, additions, path):
    """QEMU's devicetree for a machine, and our nodes in it."""
    # Here, and not beside path: its directory's name may have commas, which QEMU takes for
    # the end of the name.
    blob = "devicetree.qemu"
    machine = [word + f",dumpdtb={blob}" if word == "virt" else word
               for word in machine]
    run_tool(*machine)
    dtc = find_program("dtc", "device-tree-compiler")
    source = run_tool(dtc, "-q", "-I", "dtb", "-O", "dts", blob)
    source += "".join(Path(name).read_text() for name in additions)
    path.with_suffix(".dts").write_text(source)
    run_tool(dtc, "-q", "-I", "dts", "-O", "dtb", "-o", path, path.with_suffix(".dts"))
