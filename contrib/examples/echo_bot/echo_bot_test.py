#!/usr/bin/python3
"""A bot inside the server hears, answers, and does not mind that the modules are swapped under it."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(sys.argv[2], "tests", "house"))
from tambod import Tambod, Wire, arguments, expect, ini, server_section   # noqa: E402

MODULES = ("sasl", "bind", "roster", "presence")


def talk(server):
    juliet = Wire.to(server.port())
    juliet.log_in("juliet", "verona")
    juliet.send("<presence/><presence type='subscribe' to='echo@localhost'/>")
    juliet.until("<presence[^>]* from=['\"]echo@localhost/[^>]*>")
    for swapped in MODULES:
        juliet.send("<message to='echo@localhost' type='chat'><body>O &lt;%s></body></message>" % swapped)
        juliet.until("<message[^>]* from=['\"]echo@localhost/.*<body>O &lt;%s(&gt;|>)</body>" % swapped)
        server.ctl("reload", swapped)
    expect(server.stop() == 0, "it ends as it should", server.log())


def main():
    build, _ = arguments()
    text = ini({"server": server_section(build, plugins="store_sqlite, auth_store", modules=", ".join(MODULES)),
                "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"}})
    command = [build + "/examples/echo_bot/echo_bot", "echo@localhost"]
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        with Tambod(build, folder, text, command) as server:
            server.port()
            server.ctl("user", "add", "juliet@localhost", "verona")
            talk(server)
        with Tambod(build, folder, text, command) as server:   # where its account is there already
            talk(server)


main()
