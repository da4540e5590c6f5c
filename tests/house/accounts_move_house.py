#!/usr/bin/python3
"""Accounts come from ejabberd and Prosody and from tambo itself (XEP-0227), with password, contacts and waiting messages.

The files are written here as those programs write them: ejabberd 23 (ejabberd_piefxis.erl: a main file that includes one
for each host) and Prosody 0.12 (mod_storage_xep0227.lua: one for each account, passwords as plain text or SCRAM).
"""
import base64
import hashlib
import hmac
import json
import os
import re
import tempfile

from tambod import Tambod, Wire, arguments, expect, ini, server_section

ITERATIONS = 4096
DELAY = "<delay xmlns='urn:xmpp:delay' from='localhost' stamp='2026-01-02T03:04:05.678Z'/>"
EJABBERD_MAIN = ("<?xml version='1.0' encoding='UTF-8'?><server-data xmlns='urn:xmpp:pie:0' "
                 "xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='20261122-101500_localhost.xml'/></server-data>")
EJABBERD_HOST = ("<?xml version='1.0' encoding='UTF-8'?><host xmlns='urn:xmpp:pie:0' "
                 "xmlns:xi='http://www.w3.org/2001/XInclude' jid='localhost'>%s</host>")
EJABBERD_USER = (
    "<user name='%s'>%s<offline-messages>"
    "<message xmlns='jabber:client' xml:lang='en' to='juliet@localhost' from='romeo@montague.lit/orchard' type='chat' id='1'>"
    "<body>Neither, fair saint</body><delay xmlns='urn:xmpp:delay' from='localhost' stamp='2026-01-02T03:04:05.678Z'/></message>"
    "<message xmlns='jabber:client' to='juliet@localhost' from='romeo@montague.lit/orchard' type='chat' id='2'>"
    "<body>if either thee dislike.</body></message></offline-messages>"
    "<query xmlns='jabber:iq:roster'><item subscription='both' name='Romeo' jid='romeo@montague.lit'>"
    "<group>Lovers</group></item></query><unheard-of xmlns='urn:example:unheard-of'/></user>")
PROSODY_PLAIN = ("<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'><user name='nurse' password='ang&apos;ica &amp; co'>"
                 "</user></host></server-data>")
PROSODY_SCRAM = ("<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'>"
                 "<user name='tybalt' xmlns:ns1='http://prosody.im/protocol/extended-xep0227' ns1:updated='1700000000'>%s"
                 "</user></host></server-data>")


def scram(mechanism, password, salt, in_order):
    name = mechanism[len("SCRAM-"):].replace("-", "").lower()
    salted = hashlib.pbkdf2_hmac(name, password.encode(), salt, ITERATIONS)
    client = hmac.new(salted, b"Client Key", name).digest()
    parts = {"iter-count": str(ITERATIONS), "salt": base64.b64encode(salt).decode(),
             "server-key": base64.b64encode(hmac.new(salted, b"Server Key", name).digest()).decode(),
             "stored-key": base64.b64encode(hashlib.new(name, client).digest()).decode()}
    return "<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='%s'>%s</scram-credentials>" % (
        mechanism, "".join("<%s>%s</%s>" % (part, parts[part], part) for part in in_order))


class Mover:
    def __init__(self, tambod, folder):
        self.tambod, self.folder = tambod, folder

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def imports(self, path, *more):
        code, out, err = self.tambod.ask("user", "import", path, *more, "--json")
        try:
            return code, json.loads(out)
        except json.JSONDecodeError:
            return code, {"error": out + err}

    def logs_in(self, user, password):
        wire = Wire.to(self.tambod.port())
        wire.log_in(user, password)
        return wire


def from_ejabberd(mover):
    keys = scram("SCRAM-SHA-256", "verona", b"0123456789abcdef", ["iter-count", "salt", "server-key", "stored-key"])
    mover.write("20261122-101500_localhost.xml", EJABBERD_HOST % (EJABBERD_USER % ("juliet", keys)))
    main = mover.write("20261122-101500.xml", EJABBERD_MAIN)
    code, answer = mover.imports(main)
    expect(code == 0 and answer["imported"] == 1, "an account of ejabberd is imported", answer)
    expect("unheard-of" in json.dumps(answer), "what nobody knows is named", answer)
    code, answer = mover.imports(main)
    expect(code == 1 and answer["refused"] == 1 and "conflict" in json.dumps(answer), "an account that is there is refused", answer)
    code, answer = mover.imports(main, "--replace")
    expect(code == 0 and answer["imported"] == 1, "unless it is to be replaced", answer)


def from_prosody(mover):
    keys = scram("SCRAM-SHA-1", "prince of cats", b"salty", ["server-key", "stored-key", "iter-count", "salt"])
    files = [mover.write("nurse@localhost.xml", PROSODY_PLAIN), mover.write("tybalt@localhost.xml", PROSODY_SCRAM % keys)]
    code, answer = mover.imports(files[0], files[1])
    expect(code == 0 and answer["imported"] == 2, "accounts of Prosody are imported", answer)
    mover.logs_in("nurse", "ang'ica & co").socket.close()
    mover.logs_in("tybalt", "prince of cats").socket.close()


def round_trip(mover):
    before = mover.tambod.ctl("user", "export")
    expect(before.count("<user ") == 3 and before.count("<host ") == 1 and before.count("<message ") == 2, "all are exported", before)
    expect(before.count("stamp='2026-01-02T03:04:05.678Z'") == 1, "a delay says once when the message came", before)
    expect(not re.search("verona|prince of cats|ang'ica", before), "no password is exported", before)
    for user in ("juliet", "nurse", "tybalt"):
        erased = json.loads(mover.tambod.ctl("user", "erase", user + "@localhost", "--json"))
        expect(erased["done"] and erased["left"] == [], "nothing is left", erased)
    empty = mover.tambod.ctl("user", "export")
    expect("<user" not in empty, "there is nobody", empty)
    code, answer = mover.imports(mover.write("ours.xml", before))
    expect(code == 0 and answer["imported"] == 3, "our own file is imported", answer)
    expect(mover.tambod.ctl("user", "export") == before, "the second export is the first", mover.tambod.ctl("user", "export"), before)
    one = mover.tambod.ctl("user", "export", "nurse@localhost")
    expect(one.count("<user ") == 1 and "nurse" in one, "one alone may be exported", one)
    as_json = json.loads(mover.tambod.ctl("--json", "user", "export"))
    expect(as_json["document"].count("<user ") == 3, "and in JSON", as_json)


def juliet_lives_on(mover):
    juliet = mover.logs_in("juliet", "verona")
    juliet.send("<presence/>")
    came = juliet.until("if either thee dislike")
    expect("Neither, fair saint" in came and DELAY.split("stamp=")[1] in came, "what waited comes in order, with its time", came)
    juliet.socket.close()


def hostile_files(mover):
    outside = mover.write("outside.xml", EJABBERD_MAIN.replace("20261122-101500_localhost.xml", "../../etc/passwd"))
    circle = mover.write("circle.xml", EJABBERD_MAIN.replace("20261122-101500_localhost.xml", "circle.xml"))
    bomb = mover.write("bomb.xml", "<!DOCTYPE x [<!ENTITY a 'aaaa'>]><server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'>"
                                   "<user name='bomb' password='&a;x'/></host></server-data>")
    for path, wanted in ((outside, "not below"), (circle, "include each other"), (mover.write("cut.xml", "<server-data><host"), "")):
        code, answer = mover.imports(path)
        expect(code == 1 and wanted in json.dumps(answer), "%s is refused" % path, answer)
    for name, user in (("elsewhere", "<host jid='elsewhere'><user name='x'/></host>"),
                       ("name", "<host jid='localhost'><user name='not a name'/></host>"),
                       ("keys", "<host jid='localhost'><user name='x'>%s</user></host>" %
                        scram("SCRAM-SHA-1", "x", b"s", ["salt", "iter-count", "server-key"]))):
        code, answer = mover.imports(mover.write(name + ".xml", "<server-data xmlns='urn:xmpp:pie:0'>%s</server-data>" % user))
        expect(code == 1 and answer["refused"] == 1, "%s is refused" % name, answer)
    mover.imports(bomb)
    users = mover.tambod.ctl("user", "list").split()
    expect("x@localhost" not in users and "x@elsewhere" not in users, "no half account is left", users)


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        text = ini({"server": server_section(build, plugins="store_sqlite, auth_store",
                                             modules="sasl, bind, roster, presence, offline, ping, portability"),
                    "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"}})
        with Tambod(build, folder, text) as tambod:
            mover = Mover(tambod, folder)
            tambod.port()
            from_ejabberd(mover)
            from_prosody(mover)
            round_trip(mover)
            juliet_lives_on(mover)
            hostile_files(mover)
            expect(tambod.stop() == 0, "it stops", tambod.log())


main()
