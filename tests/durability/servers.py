"""Servers that are started, killed and started again on the same data: tambo, somebody else's, and those of peers.py."""
import asyncio
import ctypes
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

PR_SET_PDEATHSIG = 1
PATIENCE = 120   # seconds for a server to come up
POINTS = ("journal-append", "journal-before-commit", "journal-after-commit", "session-ack", "session-resume")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """In a folder of its own, which goes with it."""

    name, domain, password = "", "localhost", "secret"
    can_register = True

    def __init__(self, options):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="tambo-durability-")
        self.port, self.process = free_port(), None
        with open(self.path("clock"), "wb") as file:
            file.write(bytes(8))
        self.prepare()

    def address(self):
        return "127.0.0.1", self.port

    def prepare(self): raise NotImplementedError
    def command(self): raise NotImplementedError
    def version(self): raise NotImplementedError
    def settings(self): raise NotImplementedError   # a sentence for the table

    def environment(self):
        return {}

    def clock(self):
        """What makes its clock go wrong, if that was built (see stepped_clock.cpp)."""
        library = os.path.join(self.options.build, "durability", "libstepped_clock.so")
        return {"LD_PRELOAD": library, "TAMBO_STEPPED_CLOCK": self.path("clock")} if os.path.exists(library) else {}

    def step_clock(self, seconds):
        with open(self.path("clock"), "r+b") as file:   # not anew: the server has it mapped
            file.write(struct.pack("=q", seconds))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    async def start(self, point=None):
        """`point`: NAME:COUNT, where it kills itself."""
        environment = {**os.environ, **self.environment(), **self.clock()}
        if point:
            environment["TAMBO_KILL_AT"] = point
        with open(self.path("output"), "ab") as output:
            self.process = subprocess.Popen(self.command(), cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=output, start_new_session=True, preexec_fn=die_with_parent)
        await self.until_it_listens()

    async def until_it_listens(self):
        end = asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                _, writer = await asyncio.open_connection(*self.address())
                writer.transport.abort()
                return
            except OSError:
                if self.has_ended():
                    if point_was_reached(self.process):
                        return   # already, while it began
                    raise SystemExit("%s ended at its start:\n%s" % (self.name, self.last_words())) from None
                if asyncio.get_running_loop().time() > end:
                    raise SystemExit("%s does not listen:\n%s" % (self.name, self.last_words())) from None
                await asyncio.sleep(0.02)

    def has_ended(self):
        return self.process is not None and self.process.poll() is not None

    def last_words(self):
        with open(self.path("output"), encoding="utf-8", errors="replace") as output:
            return output.read()[-3000:]

    async def kill(self):
        self.send(signal.SIGKILL)
        self.process.wait()

    async def restart(self):
        """In good order."""
        self.process.terminate()
        while not self.has_ended():
            await asyncio.sleep(0.02)
        await self.start()

    def send(self, number):
        """To it and to whatever it has started."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    async def stop(self):
        if self.process is not None:
            self.send(signal.SIGKILL)
            self.process.wait()
        if not self.options.keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def die_with_parent():
    """However the suite itself ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def point_was_reached(process):
    return process is not None and process.returncode == -signal.SIGKILL


class Tambo(Server):
    name = "tambo"

    def prepare(self):
        build = self.options.build
        journal = "[journal]\ndurability = %s\n" % self.options.durability if self.options.durability else ""
        self.write("tambo.ini", TAMBO_INI.format(build=build, port=self.port, journal=journal))

    def command(self):
        return [self.options.build + "/bin/tambod", "--config", self.path("tambo.ini")]

    def version(self):
        said = subprocess.run([self.options.build + "/bin/tambod", "--version"], capture_output=True, encoding="utf-8",
                              check=False).stdout
        return (re.search(r"\d[\w.+-]*", said) or [""])[0]

    def settings(self):
        return "store_sqlite, durability = %s" % (self.options.durability or "(not set)")


class Elsewhere(Server):
    """Somebody else's server: it is killed and started by the commands that were given, if any were."""

    name = "server"

    def __init__(self, options):
        self.options, self.process = options, None
        host, _, port = options.address.rpartition(":")
        self.host, self.port = host.strip("[]"), int(port)
        self.domain, self.password = options.domain or host, options.password
        self.can_register = options.register

    def address(self):
        return self.host, self.port

    def version(self):
        return ""

    def settings(self):
        return "at %s" % self.options.address

    def clock(self):
        return {}

    def last_words(self):
        return ""

    async def start(self, point=None):
        await self.until_it_listens()

    async def kill(self):
        await shell(self.options.kill_command)
        if self.options.restart_command:
            await shell(self.options.restart_command)

    async def restart(self): pass
    async def stop(self): pass


async def shell(command):
    process = await asyncio.create_subprocess_shell(command, stdin=asyncio.subprocess.DEVNULL)
    await process.wait()


TAMBO_INI = """\
[server]
domain = localhost
data = data
control = tambo.sock
threads = 2
plugins = store_sqlite, auth_store
modules = starttls, sasl, bind, stream_management, roster, presence, offline, receipts, carbons, disco, ping, register
module_path = {build}/modules, {build}/plugins

[listener c2s]
address = 127.0.0.1
port = {port}
plaintext_auth = yes

[limits]
connections_per_address = 0
auth_failures_per_address = 0
registrations_per_address = 0

[module stream_management]
resume_timeout = 10m

[module offline]
max_messages = 100000
max_bytes = 256M

{journal}"""
