#!/usr/bin/python3
"""XEP-0198 §4: h counts modulo 2^32, in both directions. A session that has come that far goes on, and can be resumed.

Nobody sends four thousand million stanzas in a test: what the disk knows of the session is changed while the server is down.
"""
import os
import re
import sqlite3
import tempfile

from tambod import Tambod, Wire, arguments, expect, ini, server_section

MODULUS = 2 ** 32
SM = "xmlns='urn:xmpp:sm:3'"


def settings(build):
    return ini({"server": server_section(build, plugins="store_sqlite, auth_store",
                                         modules="sasl, bind, stream_management, presence, offline"),
                "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"}})


def enable(port):
    """A session that can be resumed: its id."""
    wire = Wire.to(port)
    wire.log_in("romeo", "mantua")
    wire.send("<enable %s resume='true'/>" % SM)
    return wire, re.search(r"\bid=['\"](\w+)['\"]", wire.until("<enabled[^>]*>")).group(1)


def resume(port, previd, h):
    """It goes on: with what the server has counted, and what is sent again at once."""
    wire = Wire.to(port)
    wire.authenticate("romeo", "mantua")
    wire.send("<resume %s previd='%s' h='%d'/>" % (SM, previd, h))
    _, resumed, rest = wire.until("<resumed[^>]*>").rpartition("<resumed")
    return wire, int(re.search(r"\bh=['\"](\d+)['\"]", resumed + rest).group(1)), rest


def set_counters(folder, accepted, acknowledged):
    """How many stanzas of the client are taken care of, and how many it has acknowledged."""
    database = sqlite3.connect(os.path.join(folder, "data", "tambo.db"))
    with database:
        changed = database.execute("UPDATE session_count SET accepted = ?, acknowledged = ?", (accepted, acknowledged)).rowcount
    database.close()
    expect(changed == 1, "one session is on disk", changed)


def say(wire, numbers):
    for number in numbers:
        wire.send("<message to='romeo@localhost' type='chat' id='m%d'><body>%d</body></message>" % (number, number))


def hear(wire, numbers, came=""):
    if "<body>%d</body>" % numbers[-1] not in came:
        came += wire.until("<body>%d</body>.*</message>" % numbers[-1])
    found = [int(number) for number in re.findall(r"<body>(\d+)</body>", came)]
    expect(found == list(numbers), "they come in order, and nothing else", came)


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        with Tambod(build, folder, settings(build)) as tambod:
            port = tambod.port()
            tambod.ctl("user", "add", "romeo@localhost", "mantua")
            wire, previd = enable(port)
            wire.send("<presence/>")
            wire.until("<presence[^>]*>")
            wire.send("<a %s h='1'/><r %s/>" % (SM, SM))
            wire.until("<a [^>]*h=['\"]1['\"]")
            tambod.stop()
        set_counters(folder, MODULUS - 3, MODULUS - 2)
        with Tambod(build, folder, settings(build)) as tambod:
            port = tambod.port()
            wire, h, _ = resume(port, previd, MODULUS - 2)
            expect(h == MODULUS - 3, "the server goes on where it was", h)
            say(wire, range(5))   # the counts of both sides pass the end
            hear(wire, range(5))
            wire.send("<r %s/>" % SM)
            wire.until("<a [^>]*h=['\"]2['\"]")
            say(wire, [5])
            hear(wire, [5])
            wire.socket.close()
            wire, h, again = resume(port, previd, 1)   # three of six: 2^32 - 1, 2^32, 2^32 + 1
            expect(h == 3, "the server has counted on", h)
            hear(wire, range(3, 6), again)
            wire.send("<a %s h='4'/>" % SM)
            wire.send("<r %s/>" % SM)
            wire.until("<a [^>]*h=['\"]3['\"]")
            wire.send("<a %s h='5'/>" % SM)
            came = wire.until_the_end()
            expect("handled-count-too-high" in came, "a count that is too high is seen as such, behind the end as before it", came)


main()
