"""Servers that the suite can start, kill and start again on the same data: tambo, Prosody, ejabberd; or somebody else's."""
import asyncio
import os
import re
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import tempfile

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
                                            stdout=output, stderr=output, start_new_session=True)
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


class Prosody(Server):
    name = "Prosody"

    def prepare(self):
        make_certificate(self.folder)
        os.mkdir(self.path("data"))
        storage = 'storage = "internal"'
        if self.options.storage == "sqlite":
            storage = 'storage = "sql"; sql = { driver = "SQLite3"; database = "prosody.sqlite" }'
        self.write("prosody.cfg.lua", PROSODY_CONFIG.format(folder=self.folder, port=self.port, storage=storage,
                                                            mam='"mam";' if self.options.mam else ""))

    def command(self):
        return ["prosody", "--config", self.path("prosody.cfg.lua"), "-F"]

    def version(self):
        return package_version("prosody")

    def settings(self):
        return "mod_smacks, mod_offline, %s storage, MAM %s" % (self.options.storage, "on" if self.options.mam else "off")


class Ejabberd(Server):
    name = "ejabberd"

    def prepare(self):
        make_certificate(self.folder)
        mam = "  mod_mam: {default: always, request_activates_archiving: false}" if self.options.mam else ""
        sql = ""
        if self.options.storage == "sqlite":
            sql = "default_db: sql\nsql_type: sqlite\nsql_database: %s" % self.path("ejabberd.sqlite")
            with open("/usr/share/ejabberd/sql/lite.sql", encoding="utf-8") as schema:
                database = sqlite3.connect(self.path("ejabberd.sqlite"))
                database.executescript(schema.read())
                database.close()
        self.write("ejabberd.yml", EJABBERD_CONFIG.format(folder=self.folder, port=self.port, mam=mam, sql=sql))
        os.mkdir(self.path("log"))

    def command(self):
        quiet = "+sbwt none +sbwtdcpu none +sbwtdio none".split()   # doesn't take the others' cores while it waits
        return ["erl", "+K", "true", *quiet, "-noinput", "-noshell", "-mnesia", "dir", '"%s"' % self.path("spool"),
                "-s", "ejabberd"]

    def environment(self):
        return {"ERL_LIBS": "/usr/lib/x86_64-linux-gnu", "EJABBERD_CONFIG_PATH": self.path("ejabberd.yml"),
                "EJABBERD_LOG_PATH": self.path("log", "ejabberd.log"), "ERL_CRASH_DUMP": "/dev/null", "HOME": self.folder}

    def version(self):
        return package_version("ejabberd")

    def settings(self):
        storage = "mnesia" if self.options.storage == "internal" else "sqlite"
        return "mod_stream_mgmt, mod_offline, %s, MAM %s" % (storage, "on" if self.options.mam else "off")


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


def package_version(package):
    return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, encoding="utf-8",
                          check=False).stdout


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", folder + "/key.pem",
                    "-out", folder + "/certificate.pem"], check=True, stderr=subprocess.DEVNULL)
    with open(folder + "/both.pem", "wb") as both:
        for name in ("certificate.pem", "key.pem"):
            with open(os.path.join(folder, name), "rb") as part:
                both.write(part.read())


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

PROSODY_CONFIG = """\
run_as_root = true
daemonize = false
data_path = "{folder}/data"
pidfile = "{folder}/prosody.pid"
log = {{ warn = "{folder}/prosody.log" }}
network_backend = "epoll"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{}}
s2s_ports = {{}}
modules_enabled = {{ "roster"; "saslauth"; "tls"; "disco"; "ping"; "smacks"; "offline"; "register_ibr"; {mam} }}
modules_disabled = {{ "s2s"; "admin_socket" }}
allow_registration = true
registration_throttle_max = nil
smacks_max_queue_size = 100000
smacks_hibernation_time = 600
authentication = "internal_plain"
{storage}
archive_expires_after = "never"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
ssl = {{ certificate = "{folder}/certificate.pem"; key = "{folder}/key.pem" }}
VirtualHost "localhost"
"""

EJABBERD_CONFIG = """\
hosts: [localhost]
loglevel: error
log_rotate_count: 0
certfiles: ["{folder}/both.pem"]
auth_method: internal
auth_password_format: plain
registration_timeout: infinity
{sql}
listen:
  - port: {port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    shaper: none
    access: all
    starttls: true
shaper_rules:
  max_user_sessions: 100
  max_user_offline_messages: infinity
modules:
  mod_disco: {{}}
  mod_roster: {{}}
  mod_offline: {{access_max_user_messages: max_user_offline_messages}}
  mod_ping: {{}}
  mod_stream_mgmt: {{max_ack_queue: 100000, resume_timeout: 600, resend_on_timeout: true}}
  mod_register: {{access: all, ip_access: all, welcome_message: {{subject: "", body: ""}}}}
{mam}
"""

STARTED = {"tambo": Tambo, "prosody": Prosody, "ejabberd": Ejabberd}
