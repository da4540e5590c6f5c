"""What the tests of FunXMPP's client side share: a server that speaks it, a link that can be cut, people, a proxy."""
import os
import re
import socket
import threading

from tambod import PATIENCE, Talkative, Tambod, Wire, expect, ini, server_section

MODULES = "sasl, bind, stream_management, roster, presence, offline, receipts, carbons, ping, disco, funxmpp"
RETRIES = {"retry_base": "20ms", "retry_max": "200ms", "retry_jitter": "20ms"}


def start_tambod(build, folder):
    text = ini({"server": server_section(build, plugins="store_sqlite, auth_store", modules=MODULES),
                "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"}})
    tambod = Tambod(build, folder, text)
    return tambod, tambod.port()


def add_people(tambod):
    for name in ("juliet", "romeo"):
        tambod.ctl("user", "add", name + "@localhost", "verona")


class CuttableLink:
    """Stands between the proxy and the server, and goes away when it is told to."""

    def __init__(self, port):
        self.target, self.is_up, self.pairs = port, True, []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            here, _ = self.listener.accept()
            with self.lock:
                if not self.is_up:
                    here.close()
                    continue
                try:
                    there = socket.create_connection(("127.0.0.1", self.target), PATIENCE)
                except OSError:
                    here.close()
                    continue
                self.pairs.append((here, there))
            for source, sink in ((here, there), (there, here)):
                threading.Thread(target=self.carry, args=(source, sink), daemon=True).start()

    @staticmethod
    def carry(source, sink):
        try:
            while some := source.recv(65536):
                sink.sendall(some)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        with self.lock:
            self.is_up = False
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def mend(self, target=None):
        with self.lock:
            self.target, self.is_up = target or self.target, True


class Proxy(Talkative):
    """A funxmpp-proxy of romeo@localhost. The outbox outlives it."""

    def __init__(self, build, folder, port, **more):
        file = os.path.join(folder, "proxy.ini")
        keys = {"jid": "romeo@localhost", "password": "verona", "host": "127.0.0.1", "port": port, "tls": "none",
                "listen": "127.0.0.1:0", "outbox": "outbox.db", **RETRIES, **more}
        with open(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.write("".join("%s = %s\n" % entry for entry in keys.items()))
        super().__init__("funxmpp-proxy", [build + "/bin/funxmpp-proxy", file])

    def port(self):
        return int(self.until(r"listening on port (\d+)").group(1))


class Person(Wire):
    """Remembers what it has read: the bodies that came, in order."""

    def __init__(self, connected):
        super().__init__(connected)
        self.came = ""

    @classmethod
    def online(cls, port, name):
        person = cls.to(port)
        person.log_in(name, "verona")
        person.send("<presence/>")
        person.ping("here")
        return person

    def read(self):
        try:
            more = self.socket.recv(65536).decode()
        except OSError as error:
            expect(False, "nothing came any more: %s" % error, self.came)
        expect(more, "the connection ended", self.came)
        self.came += more

    def until(self, pattern):
        while not re.search(pattern, self.came):
            self.read()
        return self.came

    def ping(self, ident):
        self.send("<iq type='get' id='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % ident)
        self.until("<iq[^>]* id=['\"]%s['\"]" % ident)

    def write_to(self, to, bodies):
        self.send("".join("<message to='%s' type='chat' id='%s'><body>%s</body></message>" % (to, body, body)
                          for body in bodies))

    def bodies(self):
        return re.findall("<body>([^<]*)</body>", self.came)

    def until_bodies(self, expected, why):
        while len(self.bodies()) < len(expected):
            self.read()
        expect(self.bodies() == expected, why, "expected %s" % expected, "got %s" % self.bodies())
