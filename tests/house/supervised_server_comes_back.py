#!/usr/bin/python3
"""tambod --supervise: a server that dies is back on the same port; who connects meanwhile waits; a module that is to blame
stays out in the end, until an operator wants it; SIGTERM and SIGHUP reach the server, and its exit code its parent's parent."""
import os
import re
import signal
import subprocess
import tempfile

from crashes import configuration, crash, environment, expect_note
from tambod import HEADER, PATIENCE, Tambod, Wire, arguments, expect


class Gap:
    """The time between two servers, as long as the test wants it to be: the crasher's constructor waits for a FIFO."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "door")

    def keep_open(self):
        os.mkfifo(self.path)

    def end(self):
        with open(self.path, "w", encoding="utf-8"):   # the next server has come that far
            os.unlink(self.path)


def supervised(build, folder, text):
    return Tambod(build, folder, text, [build + "/bin/tambod", "--supervise", "--config"], env=environment())


def child_of(folder):
    with open(os.path.join(folder, "data", "lock"), encoding="utf-8") as file:
        return int(file.read())


def serves(port):
    romeo = Wire.to(port)
    romeo.log_in("romeo", "secret")
    romeo.ping("alive")
    return romeo


def nobody_is_refused_in_the_gap(server, gap, port, end):
    """`end` ends the server. The port stays; a client that comes in the gap is served when the next one is there."""
    gap.keep_open()
    end()
    waiting = Wire.to(port)
    waiting.send(HEADER)
    gap.end()
    waiting.until("<stream:features>")
    serves(port)


def culprit_stays_out(build):
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        gap = Gap(folder)
        text = configuration(build, modules="sasl, bind, ping, crasher, follower", door=gap.path)
        with supervised(build, folder, text) as server:
            port = server.port()
            server.ctl("user", "add", "romeo@localhost", "secret")
            for _ in range(2):
                nobody_is_refused_in_the_gap(server, gap, port, lambda: crash(server, port, "null"))
            crash(server, port, "null")
            server.until(r"module crasher stays out: it ran at 3 crashes within 10 min; \"tamboctl load crasher\" brings it back")
            server.until(r"module follower stays out: it needs module crasher")
            expect_note(folder, "SIGSEGV crasher 0")
            romeo = serves(port)
            listed = server.ctl("modules")
            for module in ("crasher", "follower"):
                expect(re.search(r"^%s .*left out" % module, listed, re.M), "%s is shown as left out" % module, listed)
            romeo.send("<message to='romeo@localhost'><body>null</body></message>")
            romeo.ping("the word has lost its power")
            for module in ("crasher", "follower"):
                server.ctl("load", module)
                listed = server.ctl("modules")
                expect(re.search(r"^%s .*live" % module, listed, re.M), "%s is back" % module, listed)
            crash(server, port, "null")   # the first time, as it was forgiven
            serves(port)
            expect(re.search(r"^crasher .*live", server.ctl("modules"), re.M), "one crash is not enough", server.log())
            expect(server.stop() == 0, "SIGTERM ends both", server.log())
            expect("Traceback" not in server.log() and server.log().count("died by SIG") >= 4, "four deaths", server.log())


def kill(server, child):
    os.kill(child, signal.SIGKILL)
    server.until(r"tambod: the server \(process %d\) died by SIGKILL; it starts again at once, clients wait" % child)


def killed_child_comes_back(build):
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        gap = Gap(folder)
        with supervised(build, folder, configuration(build, door=gap.path)) as server:
            port = server.port()
            server.ctl("user", "add", "romeo@localhost", "secret")
            serves(port)
            first = child_of(folder)
            nobody_is_refused_in_the_gap(server, gap, port, lambda: kill(server, first))
            server.until(r"the last run, of \S+, did not end in order")
            expect(child_of(folder) != first, "it is another one")
            with open(os.path.join(folder, "tambo.ini"), "a", encoding="utf-8") as ini:
                ini.write("\n[log]\nlevel = debug\n")
            server.process.send_signal(signal.SIGHUP)
            server.until(r"reload-config: \[log\]: level debug")
            expect(server.stop() == 0, "SIGTERM ends both", server.log())


def exit_code_is_passed_on(build):
    for wrong, right, complaint in (
            ("thraeds = 1", "threads = 1", r"\[server\] \"thraeds = 1\": unknown key; did you mean threads\?"),
            ("port = many", "port = 0", r"\[listener c2s\] \"port = many\": expected a whole number")):
        with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
            with supervised(build, folder, configuration(build).replace(right, wrong)) as server:
                server.until(r"tambod: .*tambo.ini:\d+: " + complaint)
                expect(server.process.wait(PATIENCE) == 1, "whoever sees the mistake, it ends both", server.log())
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        with supervised(build, folder, configuration(build)) as server:
            server.port()
            server.ctl("stop")
            expect(server.process.wait(PATIENCE) == 0, "tamboctl stop ends both", server.log())


def child_does_not_outlive_its_parent(build):
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        with supervised(build, folder, configuration(build)) as server:
            server.port()
            os.kill(server.process.pid, signal.SIGKILL)
            server.until(r"stopped; everything accepted is kept")


def other_ways_of_running_are_no_service(build):
    for option in ("--check", "--restore=x"):
        done = subprocess.run([build + "/bin/tambod", "--supervise", option, "tambo.ini"], capture_output=True, check=False,
                              encoding="utf-8", timeout=PATIENCE)
        expect(done.returncode == 2, "%s cannot be supervised" % option, done.stderr)


def main():
    build, _ = arguments()
    culprit_stays_out(build)
    killed_child_comes_back(build)
    exit_code_is_passed_on(build)
    child_does_not_outlive_its_parent(build)
    other_ways_of_running_are_no_service(build)


main()
