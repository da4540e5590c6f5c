#!/usr/bin/python3
"""A server without modules is a server: it warns, opens streams that offer nothing, and stops when it is told to."""
import tempfile

from tambod import HEADER, Tambod, Wire, arguments, expect, ini, server_section


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        text = ini({"server": server_section(build), "listener c2s": {"address": "127.0.0.1", "port": 0}})
        with Tambod(build, folder, text) as tambod:
            tambod.until(r"warning.*no module is loaded.*\[server\] modules")
            client = Wire.to(tambod.port())
            client.send(HEADER)
            said = client.until(r"</stream:features>|<stream:features\s*/>")
            expect("<stream:stream" in said and "from='localhost'" in said, "the header is answered", said)
            expect(said.endswith(("<stream:features/>", "<stream:features></stream:features>")), "nothing is offered", said)
            code = tambod.stop()
            last = client.until_the_end()
            expect("<system-shutdown" in last and last.endswith("</stream:stream>"), "the client hears that it ends", last)
            expect(code == 0, "it stops with exit code 0", code, tambod.log())


main()
