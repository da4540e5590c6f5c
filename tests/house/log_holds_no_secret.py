#!/usr/bin/python3
"""At level debug, in JSON: each line of the log is valid, and none has what people say to each other or their passwords."""
import json
import os
import tempfile

from tambod import Tambod, Wire, arguments, expect, ini, server_section

PASSWORD, BODY, NEW_PASSWORD = "xyzzy-password-7391", "plugh-body-4682", "frobozz-password-1148"


def chat(tambod):
    juliet, romeo = Wire.to(tambod.port()), Wire.to(tambod.port())
    juliet.log_in("juliet", PASSWORD)
    romeo.log_in("romeo", PASSWORD)
    for wire in (juliet, romeo):
        wire.send("<presence/>")
        wire.ping("there")
    juliet.send("<message to='romeo@localhost' type='chat'><body>%s</body></message>" % BODY)
    romeo.until(BODY)
    romeo.socket.close()
    juliet.send("<message to='romeo@localhost' type='chat'><body>%s</body></message>" % BODY)
    juliet.send("<message to='nobody@localhost' type='chat'><body>%s</body></message>" % BODY)
    juliet.send("<iq to='romeo@localhost' type='set' id='odd'><x xmlns='odd'>%s</x></iq>" % BODY)
    juliet.until("odd")
    wrong = Wire.to(tambod.port())
    wrong.send("<auth %s" % PASSWORD)
    wrong.socket.close()
    juliet.send("<message to='romeo@localhost'><body>%s</body></massage>" % BODY)   # not well-formed: ends the stream
    juliet.until_the_end()


def check(lines):
    for line in lines:
        entry = json.loads(line)
        expect(set(entry) == {"time", "level", "module", "text"}, "a line has time, level, module and text", line)
        expect(entry["level"] in ("debug", "info", "warning", "error"), "a line has a level", line)
        for secret in (PASSWORD, BODY, NEW_PASSWORD):
            expect(secret not in line, "no secret is in the log", line)


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        log = os.path.join(folder, "tambo.log")
        text = ini({"server": server_section(build, plugins="store_memory, auth_store",
                                             modules="sasl, bind, ping, presence, roster, offline"),
                    "log": {"level": "debug", "format": "json", "target": log},
                    "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"}})
        with Tambod(build, folder, text) as tambod:
            tambod.port = port_from(log, tambod)
            for user in ("juliet", "romeo"):
                tambod.ctl("user", "add", "%s@localhost" % user, PASSWORD)
            chat(tambod)
            tambod.ctl("user", "passwd", "juliet@localhost", NEW_PASSWORD)
            tambod.ctl("send", "localhost", "romeo@localhost", BODY)
            tambod.ctl("log", "level", "warning")
            expect(json.loads(tambod.ctl("log", "level", "--json"))["level"] == "warning", "the level follows")
            expect(tambod.stop() == 0, "it stops")
        with open(log, encoding="utf-8") as lines:
            lines = lines.read().splitlines()
        expect(any('"debug"' in line for line in lines), "there are debug lines", len(lines))
        expect(not any('"text":"stopping"' in line for line in lines), "and none below the level that was set later")
        check(lines)


def port_from(log, tambod):
    """The log goes to a file here. It is written beside the rest: what answers already may not yet stand there."""
    port = []
    while not port:
        expect(tambod.process.poll() is None, "tambod runs")
        if tambod.ask("status")[0] != 0:
            continue
        with open(log, encoding="utf-8") as lines:
            port = [json.loads(line)["text"].split()[-1] for line in lines
                    if "listener c2s on port" in line and line.endswith("\n")]
    return lambda: int(port[0])


main()
