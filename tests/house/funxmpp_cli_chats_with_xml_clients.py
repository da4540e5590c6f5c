#!/usr/bin/python3
"""funxmpp-cli and an XML client write to each other over every way into FunXMPP, with receipts both ways; what it says
about what was agreed upon and about bytes is true, and what does not work is said."""
import json
import os
import queue
import re
import subprocess
import tempfile
import threading

from funxmpp_house import Person, add_people
from tambod import PATIENCE, Tambod, arguments, expect, ini, server_section

MODULES = "starttls, sasl, bind, stream_management, roster, presence, offline, receipts, carbons, ping, disco, funxmpp"
WAYS = [("direct", "page"), ("direct", "classic"), ("compress", "page"), ("compress", "classic"), ("xml", "page")]


class Cli:
    def __init__(self, build, folder, ports):
        self.program, self.folder, self.ports = build + "/bin/funxmpp-cli", folder, ports

    def words(self, verb, account, *more, port="tls", ca="/data/certs/chain.pem"):
        return [self.program, verb, "--account", account, "--host", "127.0.0.1", "--port", str(self.ports[port]),
                "--ca", self.folder + ca, *more]

    def run(self, *words, password="verona", **more):
        return subprocess.run(self.words(*words, **more), capture_output=True, encoding="utf-8", check=False,
                              timeout=PATIENCE, env={**os.environ, "FUNXMPP_PASSWORD": password})

    def start(self, *words):
        return subprocess.Popen(self.words(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                                env={**os.environ, "FUNXMPP_PASSWORD": "verona"})


def confirm(person, sender):
    """XEP-0184, as a client's user would not notice it."""
    found = re.search(r"<message[^>]*?from='([^']*%s[^']*)'[^>]*>" % sender, person.came).group(0)
    ident = re.search(r" id='([^']*)'", found).group(1)
    back = re.search(r" from='([^']*)'", found).group(1)
    person.send("<message to='%s'><received xmlns='urn:xmpp:receipts' id='%s'/></message>" % (back, ident))


def sends_with_receipt(cli, juliet, wire, dialect):
    sending = cli.start("send", "romeo@localhost/cli", "--wire", wire, "--dialect", dialect, "--receipt", "--json",
                        "juliet@localhost", "<I> take thee at thy word")
    juliet.came = ""
    juliet.until("</message>")
    expect("<body>&lt;I&gt; take thee at thy word</body>" in juliet.came, "the text came as it was", juliet.came)
    confirm(juliet, "romeo")
    out, err = sending.communicate(timeout=PATIENCE)
    expect(sending.returncode == 0, "the receipt came by %s, %s" % (wire, dialect), out, err)
    said = json.loads(out)
    for direction in ("in", "out"):
        figures = said[direction]
        is_smaller = figures["bytes"] < figures["xml"]
        expect(is_smaller == (wire != "xml") and figures["bytes"] > 0, "it saves by %s, %s" % (wire, dialect), out)


def listens_and_confirms(cli, juliet, wire, dialect):
    listening = cli.start("listen", "romeo@localhost/cli", "--wire", wire, "--dialect", dialect, "--count", "2", "--json")
    news = queue.Queue()
    threading.Thread(target=lambda: [news.put(line) for line in listening.stderr], daemon=True).start()
    expect("acknowledgements, resumable" in news.get(timeout=PATIENCE), "it says how it is online")
    juliet.came = ""
    for ident in ("first", "second"):
        juliet.send("<message to='romeo@localhost/cli' type='chat' id='%s'><body>%s &amp; more</body>"
                    "<request xmlns='urn:xmpp:receipts'/></message>" % (ident, ident))
        juliet.until("<received xmlns='urn:xmpp:receipts' id='%s'" % ident)
    lines = [json.loads(line) for line in listening.stdout]
    expect(listening.wait(PATIENCE) == 0, "it ends after two messages")
    expect([line["body"] for line in lines] == ["first & more", "second & more"], "both came, in order", lines)


def the_operator_sees_the_saving(cli, tambod):
    """`top` says of sessions and codecs what `sessions` and `stats` say; nothing comes or goes meanwhile."""
    listening = cli.start("listen", "romeo@localhost/cli", "--count", "1")
    expect("romeo@localhost/cli" in listening.stderr.readline(), "it listens")
    top = json.loads(tambod.ctl("top", "--json", "--every", "1"))
    wires = {w["codec"]: w for w in json.loads(tambod.ctl("stats", "--json"))["wires"]}
    for wire in top["wires"]:
        counted = wires.pop(wire["codec"])
        expect(wire["bytes"] == counted["bytes_in"] + counted["bytes_out"], "top shows a codec's bytes", wire, counted)
        expect(wire["bytes_saved"] == counted["saved_in"] + counted["saved_out"], "and what it saved", wire, counted)
        expect((wire["bytes_saved"] > 0) == (wire["codec"] != "xml"), "only FunXMPP saves", wire)
    expect(not wires, "top shows all codecs", top)
    said = {s["jid"]: s for s in json.loads(tambod.ctl("sessions", "--json"))["sessions"]}
    for session in top["sessions"]:
        counted = said[session["jid"]]
        expect([session[key] for key in ("codec", "bytes_saved")] == [counted[key] for key in ("codec", "bytes_saved")],
               "top shows what a session saved", session, counted)
    text, sessions = tambod.ctl("top", "--once", "--every", "1"), tambod.ctl("sessions", "romeo@localhost/cli")
    share = re.search(r"^romeo@localhost/cli .* funxmpp-page +(\d+%)", sessions, re.MULTILINE).group(1)
    expect(re.search(r"^romeo@localhost/cli +funxmpp-page +%s " % share, text, re.MULTILINE), "in words, too", text, sessions)
    expect(re.search(r"^funxmpp-page: \d+% saved of what XML would take$", text, re.MULTILINE), "for all of them", text)
    listening.kill()
    listening.wait()


def make_certificate(folder):
    """Of somebody else, for the name that the server has, too."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", "/dev/null", "-out", folder + "/stranger.pem", "-subj", "/CN=localhost"],
                   capture_output=True, check=True)


def says_what_does_not_work(cli):
    for words, more, why in [
            (["login", "romeo@localhost"], {"password": "capulet"}, "not-authorized"),
            (["login", "romeo@localhost"], {"ca": "/stranger.pem"}, "certificate verify failed"),
            (["login", "romeo@localhost", "--wire", "direct", "--plain"], {"port": "starttls"}, "policy-violation"),
            (["send", "romeo@localhost", "nobody@localhost", "x", "--receipt"], {}, "came back: service-unavailable")]:
        done = cli.run(*words, **more)
        expect(done.returncode == 1 and re.search(why, done.stderr), "it says %r" % why, done)
    done = cli.run("login", "romeo")
    expect(done.returncode == 2 and "user@domain" in done.stderr + done.stdout, "it wants a whole address", done)


def main():
    build, _ = arguments()
    text = ini({"server": server_section(build, plugins="store_sqlite, auth_store", modules=MODULES),
                "listener plain": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"},
                "listener c2s": {"address": "127.0.0.1", "port": 0},
                "listener c2s-tls": {"kind": "tls", "address": "127.0.0.1", "port": 0}})
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder, Tambod(build, folder, text) as tambod:
        ports = {"tls": tambod.port("c2s-tls"), "starttls": tambod.port("c2s")}
        cli = Cli(build, folder, ports)
        add_people(tambod)
        make_certificate(folder)
        juliet = Person.online(tambod.port("plain"), "juliet")
        for wire, dialect in WAYS:
            sends_with_receipt(cli, juliet, wire, dialect)
            listens_and_confirms(cli, juliet, wire, dialect)
        done = cli.run("login", "romeo@localhost", "--starttls", port="starttls")
        expect(done.returncode == 0 and "as a stream feature" in done.stdout, "STARTTLS leads there, too", done)
        the_operator_sees_the_saving(cli, tambod)
        says_what_does_not_work(cli)


main()
