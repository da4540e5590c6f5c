#!/usr/bin/python3
"""While nothing can be written, messages are refused with resource-constraint; when there is room again they are taken; and
what was counted is there after SIGKILL, in order, once.

The disk of this test is full in that the server may not make a file any longer (RLIMIT_FSIZE): that needs no rights. Who goes
over that limit gets SIGXFSZ as well, which would end a process that does not ignore it.
"""
import os
import re
import resource
import tempfile

from tambod import Tambod, Wire, arguments, expect, ini, server_section


def settings(build):
    return ini({"server": server_section(build, plugins="store_sqlite, auth_store",
                                         modules="sasl, bind, stream_management, presence, offline"),
                "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"}})


class Juliet:
    """Writes to Romeo, and knows what the server has counted (XEP-0198)."""

    def __init__(self, port):
        self.wire, self.sent, self.counted = Wire.to(port), 0, []
        self.wire.log_in("juliet", "verona")
        self.wire.send("<enable xmlns='urn:xmpp:sm:3'/>")
        self.wire.until("<enabled[^>]*>")

    def write(self, number):
        self.sent += 1
        self.wire.send("<message to='romeo@localhost' id='m%d' type='chat'><body>%d</body></message>" % (number, number))

    def write_and_be_counted(self, number):
        self.write(number)
        self.wire.send("<r xmlns='urn:xmpp:sm:3'/>")
        came = self.wire.until("<a [^>]*h=['\"]%d['\"]" % self.sent)
        expect("error" not in came, "a message is taken", came)
        self.counted.append(number)

    def write_and_be_refused(self, number):
        self.write(number)
        came = self.wire.until("</message>")
        expect("resource-constraint" in came and "m%d" % number in came, "a message is refused", came)


def allow(tambod, file_size):
    _, hard = resource.prlimit(tambod.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(tambod.process.pid, resource.RLIMIT_FSIZE, (file_size, hard))


def backup_is_refused(tambod):
    """Another file, and other threads than the store's write it: the server says so, and stays."""
    code, _, said = tambod.ask("backup", os.path.join(tambod.folder, "backup.db"))
    expect(code != 0 and said and tambod.process.poll() is None, "a backup without room is refused", code, said)


def what_waits_for_romeo(build, folder, count):
    with Tambod(build, folder, settings(build)) as tambod:
        wire = Wire.to(tambod.port())
        wire.log_in("romeo", "mantua")
        wire.send("<presence/>")
        came = wire.until(r"(?s)(<message.*?</message>.*?){%d}" % count)
        wire.send("</stream:stream>")
        return [int(number) for number in re.findall(r"<body>(\d+)</body>", came + wire.until_the_end())]


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        with Tambod(build, folder, settings(build)) as tambod:
            port = tambod.port()
            tambod.ctl("user", "add", "juliet@localhost", "verona")
            tambod.ctl("user", "add", "romeo@localhost", "mantua")
            juliet = Juliet(port)
            for number in range(1, 6):
                juliet.write_and_be_counted(number)
            for first in (10, 20):
                allow(tambod, 1)
                for number in range(first, first + 5):
                    juliet.write_and_be_refused(number)
                tambod.until("store fails: .*tambo.db: ")
                backup_is_refused(tambod)
                allow(tambod, resource.RLIM_INFINITY)
                for number in range(first + 5, first + 10):
                    juliet.write_and_be_counted(number)
                tambod.until("store works again")
            tambod.process.kill()
            tambod.process.wait()
        found = what_waits_for_romeo(build, folder, len(juliet.counted))
        expect(found == juliet.counted, "what was counted waits for Romeo, and nothing else", found, juliet.counted)
        expect(os.path.exists(os.path.join(folder, "data", "tambo.db")), "the database is where it was")


main()
