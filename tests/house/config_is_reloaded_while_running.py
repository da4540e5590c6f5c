#!/usr/bin/python3
"""reload-config and SIGHUP: the server follows its ini, each module altogether or not at all, and says what became of it."""
import json
import os
import signal
import tempfile

from tambod import Tambod, Wire, arguments, expect, ini, server_section

VERSION_GET = "<iq type='get' id='v' to='localhost'><query xmlns='jabber:iq:version'/></iq>"


def settings(build, modules="sasl, bind, ping", more=None, **server):
    return ini({"server": server_section(build, plugins="store_memory, auth_store", modules=modules, **server),
                "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"}, **(more or {})})


class Operator:
    def __init__(self, tambod, folder):
        self.tambod, self.file = tambod, os.path.join(folder, "tambo.ini")

    def write(self, text):
        with open(self.file, "w", encoding="utf-8") as out:
            out.write(text)

    def reload(self, text):
        self.write(text)
        code, out, err = self.tambod.ask("reload-config", "--json")
        report = json.loads(out)
        return code, report, {c["what"]: c for c in report["changes"]}

    def modules(self):
        return {m["name"]: m["generation"] for m in json.loads(self.tambod.ctl("modules", "--json"))["modules"]
                if m["state"] in ("live", "on probation")}


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        with Tambod(build, folder, settings(build)) as tambod:
            tambod.ctl_port = tambod.port()
            tambod.ctl("user", "add", "juliet@localhost", "verona")
            juliet = Wire.to(tambod.port())
            juliet.log_in("juliet", "verona")
            operator = Operator(tambod, folder)
            expect(operator.reload(settings(build))[1]["changes"] == [], "nothing has changed")
            check_modules(build, operator)
            check_refusals(build, operator, juliet)
            check_the_rest(build, operator, tambod)
            juliet.ping("still-there")
            expect(tambod.stop() == 0, "it stops", tambod.log())


def check_modules(build, operator):
    before = operator.modules()
    code, report, changes = operator.reload(
        settings(build, "sasl, bind, version", {"module bind": {"conflict": "rename"}}))
    expect(code == 0 and report["done"], "everything is applied", report)
    expect([changes[m]["fate"] for m in ("module bind", "module ping", "module version")] == ["applied"] * 3,
           "an option, one module less, one more", report)
    after = operator.modules()
    expect(after["bind"] > before["bind"] and after["sasl"] == before["sasl"], "only what changed is swapped", before, after)
    expect("version" in after and "ping" not in after, "loaded and unloaded", after)
    expect("module version: applied" in "".join(c + ": " + changes[c]["fate"] for c in changes), "each is told", changes)


def check_refusals(build, operator, juliet):
    before = operator.modules()
    good = {"module bind": {"conflict": "rename"}}
    code, report, changes = operator.reload(settings(build, "sasl, bind, version, ping", {
        "module bind": {"conflict": "renam"}, "module sasl": {"iterations": "20000"}}))
    expect(code == 1 and report["done"], "one of three is refused", report)
    expect(changes["module bind"]["fate"] == "refused" and "tambo.ini:" in changes["module bind"]["text"] and
           "conflict = renam" in changes["module bind"]["text"], "with file, line and value", changes)
    after = operator.modules()
    expect(after["bind"] == before["bind"] and after["sasl"] > before["sasl"] and "ping" in after, "the others follow", after)
    operator.tambod.ctl("reload", "bind")   # fails if what was refused were in the way now
    for broken, wanted in [("[server]\nthis is no key\n", "tambo.ini:2:"),
                           (settings(build, "sasl, bind", {"limits": {"depht": "3"}}), "did you mean depth"),
                           (settings(build, "sasl, bind", {"limits": {"depth": "deep"}}), "whole number")]:
        before = operator.modules()
        code, report, _ = operator.reload(broken)
        expect(code == 1 and not report["done"] and wanted in report["reason"], "a bad ini is refused as a whole", report)
        expect(operator.modules() == before, "and changes nothing", before)
    code, report, changes = operator.reload(settings(build, "sasl, bind, ping, nothing", good))
    expect(code == 1 and changes["module nothing"]["fate"] == "refused", "a module that is not there", report)
    juliet.ping("in-between")


def check_the_rest(build, operator, tambod):
    log = os.path.join(os.path.dirname(operator.file), "other.log")
    good = {"module bind": {"conflict": "rename"}, "limits": {"depth": "20"},
            "log": {"target": log, "format": "json", "level": "debug"}}
    code, report, changes = operator.reload(settings(build, "sasl, bind, ping", good, threads="1"))
    expect(changes["[log]"]["fate"] == "applied", "the log follows", report)
    expect({w for w, c in changes.items() if c["fate"] == "needs a restart"} == {"[limits] depth", "[server] threads"},
           "what needs a restart is named", report)
    again = operator.reload(settings(build, "sasl, bind, ping", good, threads="1"))[2]
    expect(set(again) == {"[limits] depth", "[server] threads"}, "and named again", again)
    del good["log"]
    operator.write(settings(build, "sasl, bind, ping", good, threads="2"))
    tambod.process.send_signal(signal.SIGHUP)
    tambod.until(r"reload-config: \[limits\] depth")
    expect(os.path.getsize(log) > 0, "it was used meanwhile")


main()
