#!/usr/bin/python3
"""tambod as a systemd unit: says when it is ready, reloads, stops and lives; takes the sockets that systemd opened."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.request

from crashes import environment, expect_note
from tambod import HEADER, PATIENCE, Tambod, Wire, arguments, expect, ini, server_section


class NotifySocket:
    """Where systemd listens."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(PATIENCE)

    def until(self, pattern):
        """The next word that matches; what came before is gone."""
        while True:
            try:
                word = self.socket.recv(65536).decode()
            except socket.timeout:
                expect(False, "systemd never heard %r" % pattern)
            if re.search(pattern, word, re.M):
                return word

    def waiting(self):
        words = []
        self.socket.setblocking(False)
        try:
            while True:
                words.append(self.socket.recv(65536).decode())
        except BlockingIOError:
            pass
        self.socket.settimeout(PATIENCE)
        return words


def listening():
    ear = socket.create_server(("127.0.0.1", 0))
    return ear, ear.getsockname()[1]


def activated(build, folder, text, environment, sockets, *more):
    """As systemd starts it: descriptors from 3 on, names in LISTEN_FDNAMES."""
    moves = " ".join("%d<&%d" % (3 + i, ear.fileno()) for i, (_, ear) in enumerate(sockets))
    names = ":".join(name for name, _ in sockets)
    wrapper = ["/bin/sh", "-c", "LISTEN_PID=$$; export LISTEN_PID; exec \"$@\" " + moves, "sh"]
    program = [build + "/bin/tambod", *more, "--config"]
    return Tambod(build, folder, text, [*wrapper, *program] if sockets else program, pass_fds=[ear.fileno() for _, ear in sockets],
                  env={**os.environ, **environment,
                       **({"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names} if sockets else {})})


def text(build, fifo=""):
    return ini({"server": server_section(build, plugins="store_memory, auth_store", modules="sasl, bind, ping, sleeper, status",
                                         module_path="%s/modules, %s/plugins, %s/house" % (build, build, build)),
                "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "true"},
                "module sleeper": {"fifo": fifo}})


def tells_what_happens(build):
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        notify = NotifySocket(folder)
        with activated(build, folder, text(build), {"NOTIFY_SOCKET": notify.path}, []) as server:
            ready = notify.until("^READY=1$")
            port = server.port()
            expect(re.search(r"^STATUS=.*\b%d\b" % port, ready, re.M), "the status names the port", ready)
            Wire.to(port).socket.close()   # ready means that it listens
            server.process.send_signal(1)
            reloading = notify.until("^RELOADING=1$")
            expect(re.search(r"^MONOTONIC_USEC=\d+$", reloading, re.M), "when the reload began", reloading)
            notify.until("^READY=1$")
            expect(server.stop() == 0, "SIGTERM ends it well", server.log())
            notify.until("^STOPPING=1$")
            expect(not [w for w in notify.waiting() if "WATCHDOG" in w], "no watchdog was asked for")


def watchdog_hears_until_a_shard_stands_still(build):
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        notify = NotifySocket(folder)
        fifo = os.path.join(folder, "fifo")
        os.mkfifo(fifo)
        with activated(build, folder, text(build, fifo), {"NOTIFY_SOCKET": notify.path, "WATCHDOG_USEC": "600000"},
                       []) as server:
            for _ in range(3):
                notify.until("^WATCHDOG=1$")
            server.ctl("user", "add", "romeo@localhost", "secret")
            wire = Wire.to(server.port())
            wire.log_in("romeo", "secret")
            wire.send("<message to='romeo@localhost'><body>sleep</body></message>")
            server.until(r"shard \d has not answered for \d+ ms; it is in module sleeper; the watchdog hears of it")
            notify.waiting()
            with open(fifo, "w", encoding="utf-8") as awake:   # waits for the sleeper
                expect(not notify.waiting(), "the watchdog hears nothing while a shard stands still")
                awake.write(".")
            notify.until("^WATCHDOG=1$")
            wire.ping("alive")
            expect(server.stop() == 0, "SIGTERM ends it well", server.log())


def watchdog_of_systemd_leaves_a_note(build):
    """It ends who stands still with SIGABRT, which no shard takes: the note names the module in which one stands still."""
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        fifo = os.path.join(folder, "fifo")
        os.mkfifo(fifo)
        with activated(build, folder, text(build, fifo), {**environment(), "WATCHDOG_USEC": "600000"}, []) as server:
            port = server.port()
            server.ctl("user", "add", "romeo@localhost", "secret")
            wire = Wire.to(port)
            wire.log_in("romeo", "secret")
            wire.send("<message to='romeo@localhost'><body>sleep</body></message>")
            server.until(r"it is in module sleeper; the watchdog hears of it")
            server.process.send_signal(signal.SIGABRT)
            expect(server.process.wait(PATIENCE) == -signal.SIGABRT, "it dies of that", server.log())
            expect_note(folder, "SIGABRT sleeper -")


def takes_the_sockets_of_systemd(build):
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        (first, port), (second, other) = listening(), listening()
        early = Wire.to(port)   # before tambod runs: nobody is refused
        with activated(build, folder, text(build), {}, [("c2s", first), ("c2s", second)]) as server:
            server.until("listener c2s on port")
            early.send("<stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
                       "xmlns:stream='http://etherx.jabber.org/streams'>")
            early.until("<stream:features>")
            Wire.to(other).socket.close()
            expect(server.stop() == 0, "SIGTERM ends it well", server.log())
        first.close()
        second.close()


def clients_wait_while_systemd_starts_it_again(build):
    """As tambo.socket has it: the socket is systemd's, servers come and go."""
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        ear, port = listening()
        with activated(build, folder, text(build), {}, [("c2s", ear)]) as server:
            server.until("listener c2s on port %d" % port)
            server.process.kill()
            server.process.wait()
        early = Wire.to(port)
        early.send(HEADER)
        with activated(build, folder, text(build), {}, [("c2s", ear)]) as server:
            early.until("<stream:features>")
            expect(server.stop() == 0, "SIGTERM ends it well", server.log())
        ear.close()


def takes_a_socket_for_http(build):
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        ear, port = listening()
        with activated(build, folder, text(build) + "\n[http]\nlisten = 127.0.0.1:0\n", {}, [("http", ear)]) as server:
            server.until("listener http on port %d" % port)
            with urllib.request.urlopen("http://127.0.0.1:%d/status.json" % port, timeout=PATIENCE) as answer:
                expect(answer.status == 200, "it answers there", answer.status)
            expect(server.stop() == 0, "SIGTERM ends it well", server.log())
        ear.close()


def passes_everything_on_when_it_supervises(build):
    """With NotifyAccess=all: sockets reach the server and the next one, what that says reaches systemd."""
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        notify = NotifySocket(folder)
        ear, port = listening()
        with activated(build, folder, text(build), {"NOTIFY_SOCKET": notify.path, "WATCHDOG_USEC": "600000"}, [("c2s", ear)],
                       "--supervise") as server:
            for _ in range(2):
                notify.until("^READY=1$")
                notify.until("^WATCHDOG=1$")
                Wire.to(port).socket.close()
                with open(os.path.join(folder, "data", "lock"), encoding="utf-8") as lock:
                    os.kill(int(lock.read()), signal.SIGKILL)
            notify.until("^READY=1$")
            expect(server.stop() == 0, "SIGTERM ends it well", server.log())
            notify.until("^STOPPING=1$")
        ear.close()


def refuses_what_it_cannot_use(build):
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        ear, _ = listening()
        with activated(build, folder, text(build), {}, [("c2z", ear)]) as server:
            server.until(r"tambod: a socket came for the listener c2z, but there is no section \[listener c2z\]")
            expect(server.process.wait(PATIENCE) == 1, "that ends it")
        ear.close()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        deaf = socket.socket()
        with activated(build, folder, text(build), {}, [("c2s", deaf)]) as server:
            server.until(r"\[listener c2s\] was given descriptor 3, which is no TCP socket that listens")
            expect(server.process.wait(PATIENCE) == 1, "that ends it")
        deaf.close()


def units_are_understood(source):
    """Both together; what they start is not installed here."""
    if not shutil.which("systemd-analyze"):
        return
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        for name in ("tambo.service", "tambo.socket"):
            with open(os.path.join(source, "etc", name), encoding="utf-8") as unit:
                installed = unit.read().replace("/usr/bin/tambod", "/bin/true")
            with open(os.path.join(folder, name), "w", encoding="utf-8") as unit:
                unit.write(installed)
        judged = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                                 *(os.path.join(folder, name) for name in ("tambo.service", "tambo.socket"))],
                                capture_output=True, encoding="utf-8", check=False)
        complaints = [line for line in (judged.stdout + judged.stderr).splitlines() if "tambo" in line]
        expect(judged.returncode == 0 and not complaints, "systemd understands the units", judged.stdout, judged.stderr)


def unit_is_hardened(source):
    if not shutil.which("systemd-analyze"):
        return
    judged = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20",
                             source + "/etc/tambo.service"], capture_output=True, encoding="utf-8", check=False)
    expect(judged.returncode == 0, "systemd-analyze sees an exposure of 2.0 at most", judged.stdout, judged.stderr)


def main():
    build, source = arguments()
    tells_what_happens(build)
    watchdog_hears_until_a_shard_stands_still(build)
    watchdog_of_systemd_leaves_a_note(build)
    takes_the_sockets_of_systemd(build)
    clients_wait_while_systemd_starts_it_again(build)
    takes_a_socket_for_http(build)
    passes_everything_on_when_it_supervises(build)
    refuses_what_it_cannot_use(build)
    units_are_understood(source)
    unit_is_hardened(source)


main()
