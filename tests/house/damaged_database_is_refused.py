#!/usr/bin/python3
"""A server whose database is damaged does not start: it names the file and the remedy, and leaves everything as it is."""
import os
import tempfile

from tambod import PATIENCE, Tambod, arguments, expect, ini, server_section

PAGE = 4096


def settings(build):
    return ini({"server": server_section(build, plugins="store_sqlite, auth_store", modules="sasl, bind"),
                "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"}})


def content(file):
    with open(file, "rb") as found:
        return found.read()


def damage(file):
    """Garbage in the pages behind the first one, as a dying disk leaves it."""
    size = os.path.getsize(file)
    expect(size > 4 * PAGE, "there is something to damage", size)
    with open(file, "r+b") as out:
        out.seek(2 * PAGE)
        out.write(b"\x55" * (size - 2 * PAGE))


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        file = os.path.join(folder, "data", "tambo.db")
        with Tambod(build, folder, settings(build)) as tambod:
            tambod.port()
            for number in range(30):
                tambod.ctl("user", "add", "juliet%d@localhost" % number, "verona")
            expect(tambod.stop() == 0, "it stops", tambod.log())
        damage(file)
        before = content(file)
        for _ in range(2):
            with Tambod(build, folder, settings(build)) as tambod:
                tambod.until("tambo.db: is damaged.*Put a backup in its place, or save what can be saved with")
                expect(tambod.process.wait(PATIENCE) != 0, "it does not start", tambod.log())
        expect(content(file) == before, "nothing was changed")
        expect(os.listdir(os.path.dirname(file)).count("tambo.db") == 1, "nothing was made anew")


main()
