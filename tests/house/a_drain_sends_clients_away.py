#!/usr/bin/python3
"""tamboctl drain: clients go in waves; who can resume keeps the session; nobody new comes in until it is cancelled."""
import base64
import json
import re
import subprocess
import tempfile

from tambod import HEADER, PATIENCE, Tambod, Wire, arguments, expect, ini, server_section

DONE, REFUSED, NOT_UNDERSTOOD = 0, 1, 2
SM = "urn:xmpp:sm:3"


def authenticate(wire, user):
    secret = base64.b64encode(("\0%s\0verona" % user).encode()).decode()
    wire.send(HEADER + "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>" % secret)
    wire.until("<success")
    wire.send(HEADER)
    wire.until("</stream:features>")


def come(tambod, user):
    wire = Wire.to(tambod.port())
    wire.log_in(user, "verona")
    return wire


def come_resumable(tambod, user):
    wire = come(tambod, user)
    wire.send("<enable xmlns='%s' resume='true'/>" % SM)
    return wire, re.search(" id=['\"]([^'\"]*)['\"]", wire.until("<enabled[^>]*>")).group(1)


def check_nonsense(tambod):
    for words in (["--over"], ["--over", "soon"], ["--over", "-1s"], ["--over", "99d"], ["--fast"], ["--cancel", "--stop"]):
        code, _, err = tambod.ask("drain", *words)
        expect(code == NOT_UNDERSTOOD and err, "drain %s is not understood" % words, code, err)
    for words in (["drain", "--cancel"], ["--json", "drain", "--cancel"]):
        code, out, err = tambod.ask(*words)
        expect(code == REFUSED and (err or json.loads(out)["done"] is False), "nothing to cancel", code, out, err)


def check_waves(tambod):
    romeo = come(tambod, "romeo")
    juliet, ident = come_resumable(tambod, "juliet")
    half_way = Wire.to(tambod.port())
    half_way.send(HEADER)
    half_way.until("</stream:features>")
    answer = json.loads(tambod.ctl("drain", "--over", "1s", "--json"))
    expect(answer["done"] and answer["ended"] == 2 and answer["resumable"] == 1 and answer["left"] == 0, "all are gone", answer)
    for wire in (romeo, half_way):
        last = wire.until_the_end()
        expect("<system-shutdown" in last and "</stream:stream>" in last, "they are told", last)
    last = juliet.until_the_end()
    expect("</stream:stream>" not in last, "who can resume is not told that it is over", last)
    left = json.loads(tambod.ctl("--json", "sessions"))["sessions"]
    expect([(s["jid"].split("/")[0], s["connected"]) for s in left] == [("juliet@localhost", False)], "one session waits", left)

    late = Wire.to(tambod.port())
    late.send(HEADER)
    expect("<system-shutdown" in late.until_the_end(), "nobody is let in")
    tambod.ctl("drain", "--cancel")
    juliet = Wire.to(tambod.port())
    authenticate(juliet, "juliet")
    juliet.send("<resume xmlns='%s' previd='%s' h='0'/>" % (SM, ident))
    juliet.until("<resumed ")
    juliet.ping("after")
    come(tambod, "romeo").ping("again")


def check_cancelling(tambod):
    romeo = come(tambod, "romeo")
    draining = subprocess.Popen([tambod.build + "/bin/tamboctl", "--socket", tambod.folder + "/tambo.sock", "drain", "--over", "1h"],
                                stdout=subprocess.PIPE, encoding="utf-8")
    line = draining.stdout.readline()
    expect("are left" in line, "it tells how far it is", line)
    code, _, err = tambod.ask("drain")
    expect(code == REFUSED and "under way" in err, "one at a time", code, err)
    expect("1 of" in line or "2 of" in line or "3 of" in line, "an hour is long", line)
    tambod.ctl("drain", "--cancel")
    rest = draining.communicate(timeout=PATIENCE)[0]
    expect(draining.returncode == REFUSED and "cancelled" in rest, "who waits for it is told", rest)
    romeo.ping("still")


def check_stopping(tambod):
    come_resumable(tambod, "juliet")
    code, out, err = tambod.ask("drain", "--over", "0s", "--stop")
    expect(code in (DONE, 3), "it ends with the server", code, out, err)
    expect(tambod.process.wait(PATIENCE) == 0, "the server stops", tambod.log())


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        text = ini({"server": server_section(build, plugins="store_memory, auth_store",
                                             modules="sasl, bind, ping, presence, roster, stream_management"),
                    "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"}})
        with Tambod(build, folder, text) as tambod:
            tambod.port()
            for user in ("juliet", "romeo"):
                tambod.ctl("user", "add", user + "@localhost", "verona")
            check_nonsense(tambod)
            check_waves(tambod)
            check_cancelling(tambod)
            check_stopping(tambod)


main()
