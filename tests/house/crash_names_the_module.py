#!/usr/bin/python3
"""In whatever way a module ends the process, on a shard, in a task or on a worker thread: it dies by the signal that it would
have died by, leaves a note with the module's name, and the next start tells of it."""
import os
import re
import tempfile
import time

from crashes import configuration, crash, environment, expect_note, notes
from tambod import PATIENCE, Tambod, Wire, arguments, expect

# What Romeo says, what the note says of it.
WAYS = [("null", "SIGSEGV crasher 0"), ("abort", "SIGABRT crasher 0"), ("overflow", "SIGSEGV crasher 0"),
        ("task", "SIGSEGV crasher 0"), ("pool", "SIGSEGV crasher -")]


def dies(build, folder, text, way, note):
    with Tambod(build, folder, text, env=environment()) as server:
        port = server.port()
        if way == WAYS[0][0]:
            server.ctl("user", "add", "romeo@localhost", "secret")
        crash(server, port, way)
        code = server.process.wait(PATIENCE)
        expect(code < 0, "a signal ends it", way, code, server.log())
        expect_note(folder, note)


def is_told_of(build, folder, text, note):
    signal, _, shard = note.split(" ")
    with Tambod(build, folder, text, env=environment()) as server:
        server.until(r"warning tambo: the last run died by %s in module crasher%s at \d{4}-\d\d-\d\dT[\d:]+Z\n"
                     % (signal, "" if shard == "-" else " on shard " + shard))
        server.port()
        expect(server.stop() == 0, "it stops well", server.log())
    expect(notes(folder).endswith(" stopped\n"), "a stop in order is noted", notes(folder))


def blamed(folder, module, seconds_ago=1):
    """As if it had been there at three crashes."""
    os.makedirs(os.path.join(folder, "data"), exist_ok=True)
    with open(os.path.join(folder, "data", "crash-notes"), "a", encoding="utf-8") as file:
        file.write("%d died SIGSEGV %s 0\n" % (time.time() - seconds_ago, module) * 3)


def plugins_come_in_whatever_they_did(build):
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        for plugin in ("store_sqlite", "auth_store"):
            blamed(folder, plugin)
        with Tambod(build, folder, configuration(build)) as server:
            server.until(r"error tambo: plugin auth_store is loaded, although it ran at 3 crashes within 10 min: without it nobody")
            server.ctl("user", "add", "romeo@localhost", "secret")
            Wire.to(server.port()).log_in("romeo", "secret")
            expect(server.stop() == 0, "it stops well", server.log())


def blame_ends(build):
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        blamed(folder, "crasher", 600)
        with Tambod(build, folder, configuration(build)) as server:
            server.port()
            expect(re.search(r"^crasher .* live", server.ctl("modules"), re.M), "after ten minutes it is back", server.log())
            expect(server.stop() == 0, "it stops well", server.log())


def who_stays_out_can_be_let_go(build):
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        blamed(folder, "crasher")
        with Tambod(build, folder, configuration(build)) as server:
            server.until("module crasher stays out")
            server.port()
            with open(os.path.join(folder, "tambo.ini"), "w", encoding="utf-8") as ini:
                ini.write(configuration(build, modules="sasl, bind, ping"))
            expect("module crasher: applied: unloaded" in server.ctl("reload-config"), "the ini names it no more", server.log())
            expect("crasher" not in server.ctl("modules"), "nobody speaks of it any more", server.log())
            expect(server.stop() == 0, "it stops well", server.log())


def main():
    build, _ = arguments()
    plugins_come_in_whatever_they_did(build)
    blame_ends(build)
    who_stays_out_can_be_let_go(build)
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        text = configuration(build, blame=0)
        for way, note in WAYS:
            dies(build, folder, text, way, note)
            is_told_of(build, folder, text, note)
        with Tambod(build, folder, text) as server:
            server.port()
            expect("last run" not in server.log(), "a stop in order is no news", server.log())
            expect(server.stop() == 0, "it stops well", server.log())


main()
