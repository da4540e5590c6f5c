#!/usr/bin/python3
"""A backup is taken while people write, restored into a stopped server, and they find what they had."""
import os
import stat
import subprocess
import tempfile
import threading

from tambod import PATIENCE, Tambod, Wire, arguments, expect, ini, server_section

ROSTER_SET = ("<iq type='set' id='%s'><query xmlns='jabber:iq:roster'>"
              "<item jid='friend%s@elsewhere' name='Friend'/></query></iq>")


def settings(build, **more):
    return ini({"server": server_section(build, plugins="store_sqlite, auth_store", modules="sasl, bind, roster, ping", **more),
                "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"}})


def add_friend(wire, number):
    wire.send(ROSTER_SET % ("add%d" % number, number))
    wire.until("<iq[^>]* id=['\"]add%d['\"]" % number)


def friends(port):
    wire = Wire.to(port)
    wire.log_in("juliet", "verona")
    wire.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
    return wire.until("</iq>|<query[^>]*/>").count("<item ")


class Busy:
    """Adds one friend after the other until it is told to stop."""

    def __init__(self, port):
        self.wire, self.count, self.stopping, self.is_busy = Wire.to(port), 0, threading.Event(), threading.Event()
        self.wire.log_in("juliet", "verona")
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while not self.stopping.is_set() and self.count < 900:
            add_friend(self.wire, self.count)
            self.count += 1
            if self.count == 20:
                self.is_busy.set()

    def stop(self):
        self.stopping.set()
        self.thread.join()
        self.wire.socket.close()
        return self.count


def tambod_once(build, folder, *words):
    return subprocess.run([build + "/bin/tambod", *words], capture_output=True, encoding="utf-8", timeout=PATIENCE,
                          check=False, cwd=folder)


def take_backup(build, folder, copy):
    """How many friends juliet had at least when the backup was taken, and how many at the end."""
    with Tambod(build, folder, settings(build)) as tambod:
        port = tambod.port()
        tambod.ctl("user", "add", "juliet@localhost", "verona")
        busy = Busy(port)
        expect(busy.is_busy.wait(PATIENCE), "juliet makes friends", tambod.log())
        before = busy.count
        tambod.ctl("backup", copy)
        after = busy.stop()
        expect(stat.S_IMODE(os.stat(copy).st_mode) == 0o600, "the backup is for its owner's eyes only")
        code, _, err = tambod.ask("backup", copy)
        expect(code == 1 and "exists" in err, "a backup never overwrites", err)
        check_other_servers(build, folder, copy)
        expect(tambod.stop() == 0, "it stops", tambod.log())
        return before, after


def check_other_servers(build, folder, copy):
    """While one works with the data, no other may, neither to serve nor to restore."""
    second = os.path.join(folder, "second.ini")
    with open(second, "w", encoding="utf-8") as out:
        out.write(settings(build, run="run2", control="second.sock"))
    done = tambod_once(build, folder, "--config", second)
    expect(done.returncode == 1 and "another tambod works with this data folder" in done.stderr, "one server, one folder", done)
    done = tambod_once(build, folder, "--restore", copy, "--config", second)
    expect(done.returncode == 1 and "another tambod" in done.stderr, "nothing is restored under a server", done)


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        copy, file = os.path.join(folder, "copy.db"), os.path.join(folder, "tambo.ini")
        before, after = take_backup(build, folder, copy)
        done = tambod_once(build, folder, "--restore", file, "--config", file)
        expect(done.returncode == 1, "an ini is no backup", done)
        done = tambod_once(build, folder, "--restore", copy, "--config", file)
        expect(done.returncode == 0, "the backup is restored", done)
        old = done.stdout.strip().split("what was there before: ")[-1]
        expect(os.path.exists(old), "the old database is still there", done.stdout)
        with Tambod(build, folder, settings(build)) as tambod:
            now = friends(tambod.port())
            expect(before <= now <= after, "juliet logs in and has the friends of that moment", before, now, after)
        check_memory(build, folder)


def check_memory(build, folder):
    text = settings(build).replace("store_sqlite", "store_memory").replace("data = data", "data = data2")
    with Tambod(build, folder, text) as tambod:
        tambod.port()
        code, _, err = tambod.ask("backup", os.path.join(folder, "none.db"))
        expect(code == 1 and "nothing that could be backed up" in err, "store_memory says that it cannot", err)


main()
