#!/usr/bin/python3
"""In whatever way a module ends the process, on a shard, in a task or on a worker thread: it dies by the signal that it would
have died by, leaves a note with the module's name, and the next start tells of it."""
import tempfile

from crashes import configuration, crash, environment, expect_note, notes
from tambod import PATIENCE, Tambod, arguments, expect

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


def main():
    build, _ = arguments()
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
