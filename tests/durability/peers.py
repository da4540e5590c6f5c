"""The servers that tambo is compared with: Debian's packages, each with the settings that keep most."""
import os
import sqlite3
import subprocess

from servers import Server, Tambo


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
