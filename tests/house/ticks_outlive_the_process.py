#!/usr/bin/python3
"""A message that waits when the server is killed still tells its sender when somebody has it; and nobody else."""
import os
import re
import signal
import tempfile

from tambod import PATIENCE, Tambod, Wire, arguments, expect, ini, server_section

TICKS = "urn:tambo:ticks:0"


class Client:
    def __init__(self, tambod, user):
        self.wire, self.came, self.count = Wire.to(tambod.port()), "", 0
        self.wire.log_in(user, "x")

    def send(self, xml):
        self.wire.send(xml)

    def until(self, pattern):
        """The match; all that came is remembered."""
        text = self.wire.until(pattern)
        self.came += text
        return re.search(pattern, text)[0]

    def ask(self, kind, payload):
        self.count += 1
        self.send("<iq type='%s' id='q%d'>%s</iq>" % (kind, self.count, payload))
        return self.until("<iq[^>]* id=['\"]q%d['\"][^>]*?(/>|>.*?</iq>)" % self.count)


def befriend(juliet, nurse):
    """Who may not see nurse's presence is not told of devices."""
    for client in (juliet, nurse):
        client.send("<presence/>")
        client.until("<presence")
    juliet.send("<presence type='subscribe' to='nurse@localhost'/>")
    nurse.until("type=['\"]subscribe['\"]")
    nurse.send("<presence type='subscribed' to='juliet@localhost'/>")
    juliet.until("<presence from=.nurse")


def entry(juliet):
    return juliet.ask("get", "<ticks xmlns='%s' id='m1'/>" % TICKS)


def main():
    build, _ = arguments()
    modules = "sasl, bind, ping, roster, presence, stream_management, ticks, blocking, offline, receipts, carbons"
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        text = ini({"server": server_section(build, plugins="store_sqlite, auth_store", modules=modules),
                    "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"}})
        with Tambod(build, folder, text) as tambod:
            tambod.port()
            for user in ["juliet", "nurse"]:
                tambod.ctl("user", "add", user + "@localhost", "x")
            juliet, nurse = Client(tambod, "juliet"), Client(tambod, "nurse")
            befriend(juliet, nurse)
            nurse.send("</stream:stream>")
            nurse.until("</stream:stream>")
            juliet.ask("set", "<enable xmlns='%s'/>" % TICKS)
            juliet.send("<message to='nurse@localhost' type='chat' id='m1'><body>Go thou to Romeo</body></message>")
            juliet.until("<ticks.*accepted=.*</ticks>")
            expect("delivered" not in entry(juliet), "nobody has it yet")
            os.kill(tambod.process.pid, signal.SIGKILL)
            tambod.process.wait(PATIENCE)

        with Tambod(build, folder, text) as tambod:
            nurse = Client(tambod, "nurse")
            nurse.send("<presence/>")
            nurse.until("Go thou to Romeo.*</message>")
            nurse.ask("get", "<ping xmlns='urn:xmpp:ping'/>")
            expect(TICKS not in nurse.came, "nurse sees nothing of it", nurse.came)
            juliet = Client(tambod, "juliet")
            expect(re.search("<device jid=.nurse@localhost/[^>]* delivered=", entry(juliet)), "juliet learns of it", entry(juliet))
            tambod.stop()


main()
