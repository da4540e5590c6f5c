#!/usr/bin/python3
"""Every command of tamboctl gives an exit code that scripts can use, and valid JSON with --json."""
import json
import os
import subprocess
import tempfile

from tambod import PATIENCE, Tambod, Wire, arguments, expect, ini, server_section

DONE, REFUSED, NOT_UNDERSTOOD, NOT_REACHABLE = 0, 1, 2, 3


def check_exit_codes(tambod):
    for words, wanted in [
            (["status"], DONE), (["modules"], DONE), (["modules", "ping"], DONE), (["modules", "pong"], REFUSED), (["stats"], DONE), (["help"], DONE), (["user", "list"], DONE),
            (["sessions"], DONE), (["log", "level"], DONE), (["log", "level", "loud"], NOT_UNDERSTOOD),
            (["sessions", "juliet@localhost"], DONE), (["reload", "ping"], DONE), (["reload", "pong"], REFUSED),
            (["unload", "store_memory"], REFUSED), (["load", "nothing"], REFUSED), (["user", "add", "juliet@localhost", "x"], REFUSED),
            (["user", "add", "romeo@elsewhere", "x"], REFUSED), (["user", "passwd", "nobody@localhost", "x"], REFUSED),
            (["user", "delete", "nobody@localhost"], REFUSED), (["user", "erase", "nobody@localhost"], REFUSED),
            (["kick", "nobody@localhost"], REFUSED), (["backup", "copy"], REFUSED), (["reload-config"], DONE),
            (["user", "frobnicate"], NOT_UNDERSTOOD), (["frobnicate"], NOT_UNDERSTOOD), (["load"], NOT_UNDERSTOOD),
            (["send", "a", "b"], NOT_UNDERSTOOD), (["send", "<nonsense"], NOT_UNDERSTOOD),
            (["send", "juliet@elsewhere", "juliet@localhost", "hi"], REFUSED), (["refresh"], DONE),
            (["check", "/nowhere/tambo.ini"], REFUSED), (["check"], NOT_UNDERSTOOD)]:
        code, out, err = tambod.ask(*words)
        expect(code == wanted, "%s exits with %d" % (words, wanted), code, out, err)
        expect(code == DONE or err, "%s says why" % words, out, err)
        as_json = [*words, "--json"] if words[0] != "unload" else ["--json", *words]
        code, out, err = tambod.ask(*as_json)
        expect(code == wanted, "%s exits with %d in JSON as well" % (words, wanted), code, out, err)
        answer = json.loads(out)
        expect(isinstance(answer, dict), "%s answers with an object" % words, out)
        expect(code == DONE or answer.get("done") is False, "%s is not done" % words, out)


def check_passwords_from_elsewhere(tambod):
    code, _, err = tambod.ask("user", "add", "romeo@localhost", "-", stdin="montague\n")
    expect(code == DONE, "a password comes from the standard input with -", err)
    code, _, err = tambod.ask("user", "passwd", "romeo@localhost", stdin="rosaline\n")
    expect(code == DONE, "and without, when there is no terminal", err)
    wire = Wire.to(tambod.port())
    wire.log_in("romeo", "rosaline")
    code, _, err = tambod.ask("user", "passwd", "romeo@localhost", "-", stdin="")
    expect(code == NOT_UNDERSTOOD, "nothing is no password", err)
    wire.socket.close()


def check_sessions(tambod):
    wire = Wire.to(tambod.port())
    wire.log_in("juliet", "verona")
    sessions = json.loads(tambod.ctl("sessions", "juliet@localhost", "--json"))["sessions"]
    expect(len(sessions) == 1 and sessions[0]["jid"].startswith("juliet@localhost/") and sessions[0]["connected"],
           "juliet is listed", sessions)
    jid = sessions[0]["jid"]
    tambod.ctl("send", "localhost", jid, "the <server> & you")
    wire.until("<body>the &lt;server&gt; &amp; you</body>")
    code, _, err = tambod.ask("send", stdin="<message from='localhost' to='%s'><body>by hand</body></message>\n" % jid)
    expect(code == DONE, "a stanza comes from the standard input", err)
    wire.until("<body>by hand</body>")
    top = json.loads(tambod.ctl("top", "--every", "1", "--json"))
    expect(any(m["name"] == "ping" for m in top["modules"]) and any(s["jid"] == jid for s in top["sessions"]),
           "top has modules and sessions", top)
    stats = json.loads(tambod.ctl("stats", "--json"))
    expect(stats["sessions"] == 1 and stats["stanzas"]["out"]["messages"] >= 2, "stats counts", stats)
    tambod.ctl("kick", jid, "go & rest")
    wire.until("policy-violation")
    wire.until_the_end()
    expect(json.loads(tambod.ctl("--json", "sessions"))["sessions"] == [], "juliet is gone")


def check_commands_of_modules(tambod):
    expect("greet loudly hello|farewell text [--twice] [whom...]" in tambod.ctl("help"), "help shows how", tambod.ctl("help"))
    out = tambod.ctl("greet", "loudly", "hello", "two\nlines", "--twice", "a@localhost", "b@localhost")
    expect(out == "hello, twice\nLines: two, lines\nWhom: a@localhost, b@localhost\n", "words become arguments", out)
    answer = json.loads(tambod.ctl("--json", "greet", "loudly", "farewell", "x"))
    expect(answer == {"done": True, "text": "farewell", "values": {"lines": ["x"], "whom": []}}, "in JSON", answer)
    for words, wanted in [(["hello"], NOT_UNDERSTOOD), (["hullo", "x"], NOT_UNDERSTOOD), (["hello", "x", "@"], NOT_UNDERSTOOD),
                          (["hello", "no"], REFUSED)]:
        code, _, err = tambod.ask("greet", "loudly", *words)
        expect(code == wanted and err, "greet loudly %s exits with %d" % (words, wanted), code, err)
        code, out, _ = tambod.ask("greet", "loudly", *words, "--json")
        expect(code == wanted and json.loads(out)["done"] is False, "and in JSON", code, out)


def check_long_lists(tambod):
    for n in range(3):
        tambod.ctl("user", "add", "u%d@localhost" % n, "x")
    code, out, err = tambod.ask("user", "list")
    expect(code == DONE and out.split()[:2] == ["juliet@localhost", "romeo@localhost"], "users are listed in order", out, err)
    users = json.loads(tambod.ctl("--json", "user", "list"))["users"]
    expect(users == out.split(), "in JSON the same", users)


def check_erasing(tambod):
    erased = json.loads(tambod.ctl("user", "erase", "romeo@localhost", "--json"))
    expect(erased["done"] and erased["had"] and erased["left"] == [], "romeo is gone, and it is proven", erased)
    expect("romeo@localhost" not in tambod.ctl("user", "list"), "romeo is not listed any more")


def check_without_server(build, folder):
    done = subprocess.run([build + "/bin/tamboctl", "--socket", os.path.join(folder, "nobody.sock"), "status"],
                          capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
    expect(done.returncode == NOT_REACHABLE and "nobody answers" in done.stderr, "nobody is there", done)
    done = subprocess.run([build + "/bin/tamboctl", "check", os.path.join(folder, "tambo.ini")],
                          capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
    expect(done.returncode == DONE, "check needs no server", done)


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        text = ini({"server": server_section(build, plugins="store_memory, auth_store",
                                             modules="sasl, bind, ping, presence, roster, portability, greeter",
                                             module_path="%s/modules, %s/plugins, %s/house" % (build, build, build)),
                    "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"}})
        with Tambod(build, folder, text) as tambod:
            tambod.port()
            tambod.ctl("user", "add", "juliet@localhost", "verona")
            check_exit_codes(tambod)
            check_passwords_from_elsewhere(tambod)
            check_sessions(tambod)
            check_commands_of_modules(tambod)
            check_long_lists(tambod)
            check_erasing(tambod)
            tambod.ctl("stop")
            expect(tambod.process.wait(PATIENCE) == 0, "stop stops", tambod.log())
        check_without_server(build, folder)


main()
