#!/usr/bin/python3
"""Accounts come from ejabberd and Prosody and from tambo itself (XEP-0227), with password, contacts and waiting messages.

tests/data/moving has what those programs wrote; what is written here are forms that these exports did not have.
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
INCLUDING = ("<server-data xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='%s'/>"
             "</server-data>")
# Plain text; keys and an attribute of Prosody's own (mod_storage_xep0227.lua); and what nobody ever heard of.
PLAIN = "<user name='peter' password='ang&apos;ica &amp; co'></user>"
SCRAM = "<user name='tybalt' xmlns:ns1='http://prosody.im/protocol/extended-xep0227' ns1:updated='1700000000'>%s</user>"
UNHEARD_OF = "<user name='abram' password='x'><unheard-of xmlns='urn:example:unheard-of'/></user>"
ON_LOCALHOST = "<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'>%s</host></server-data>"
EVERYBODY = ("abram", "juliet", "nurse", "paris", "peter", "romeo", "tybalt")


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

    def imports(self, *words):
        code, out, err = self.tambod.ask("user", "import", *words, "--json")
        try:
            return code, json.loads(out)
        except json.JSONDecodeError:
            return code, {"error": out + err}

    def logs_in(self, user, password):
        wire = Wire.to(self.tambod.port())
        wire.log_in(user, password)
        return wire


def from_ejabberd(mover, data):
    code, answer = mover.imports(data + "/20261122-083820.xml")
    said = json.dumps(answer)
    expect(code == 0 and answer["imported"] == 3, "all accounts of ejabberd are imported", answer)
    expect("nobody knew" not in said, "with everything that they had", answer)
    for user in ("juliet", "romeo", "paris"):
        mover.logs_in(user, "verona").socket.close()
    code, answer = mover.imports(data + "/20261122-083820.xml")
    expect(code == 1 and answer["refused"] == 3 and "conflict" in json.dumps(answer), "accounts that are there are refused", answer)
    code, answer = mover.imports(data + "/20261122-083820.xml", "--replace")
    expect(code == 0 and answer["imported"] == 3, "unless they are to be replaced", answer)


def from_prosody(mover, data):
    keys = scram("SCRAM-SHA-256", "prince of cats", b"salty", ["server-key", "stored-key", "iter-count", "salt"])
    files = [data + "/nurse@localhost.xml", mover.write("peter@localhost.xml", ON_LOCALHOST % PLAIN),
             mover.write("tybalt@localhost.xml", ON_LOCALHOST % (SCRAM % keys)),
             mover.write("abram@localhost.xml", ON_LOCALHOST % UNHEARD_OF)]
    code, answer = mover.imports(*files)
    expect(code == 0 and answer["imported"] == 4, "accounts of Prosody are imported", answer)
    expect(json.dumps(answer).count("nobody knew") == 1 and "unheard-of" in json.dumps(answer), "what nobody knows is named", answer)
    for user, password in (("nurse", "verona"), ("peter", "ang'ica & co"), ("tybalt", "prince of cats")):
        mover.logs_in(user, password).socket.close()


def round_trip(mover):
    before = mover.tambod.ctl("user", "export")
    expect(before.count("<user ") == 7 and before.count("<host ") == 1 and before.count("<message ") == 2, "all are exported", before)
    expect(before.count("stamp='2026-11-22T08:38:18.719Z'") == 1, "a delay says once when the message came", before)
    for part in ("romeo@localhost", "Lovers", "Pray", "Juliet Capulet", "Jule", "Neither, fair saint", "Angelica"):
        expect(part in before, "what came along is exported: " + part, before)
    expect(not re.search("verona|prince of cats|ang'ica", before), "no password is exported", before)
    for user in EVERYBODY:
        erased = json.loads(mover.tambod.ctl("user", "erase", user + "@localhost", "--json"))
        expect(erased["done"] and erased["had"] and erased["left"] == [], "nothing is left", erased)
    empty = mover.tambod.ctl("user", "export")
    expect("<user" not in empty, "there is nobody", empty)
    code, answer = mover.imports(mover.write("ours.xml", before))
    expect(code == 0 and answer["imported"] == 7, "our own file is imported", answer)
    after = mover.tambod.ctl("user", "export")
    expect(after == before, "the second export is the first", before, after)
    one = mover.tambod.ctl("user", "export", "nurse@localhost")
    expect(one.count("<user ") == 1 and "nurse" in one, "one alone may be exported", one)
    as_json = json.loads(mover.tambod.ctl("--json", "user", "export"))
    expect(as_json["document"] == before, "and in JSON", as_json)


def juliet_lives_on(mover):
    juliet = mover.logs_in("juliet", "verona")
    juliet.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    roster = juliet.until("</query>")
    expect("romeo@localhost" in roster and re.search("subscription=.both", roster), "her contacts are there", roster)
    juliet.send("<presence/>")
    came = juliet.until("if either thee dislike")
    expect("Neither, fair saint" in came and "2026-11-22T08:38:18.719Z" in came, "what waited comes in order, with its time", came)
    expect("paris@localhost" in came, "and so does a request", came)
    juliet.socket.close()


def hostile_files(mover):
    outside = mover.write("outside.xml", INCLUDING % "../../etc/passwd")
    circle = mover.write("circle.xml", INCLUDING % "circle.xml")
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
    build, source = arguments()
    data = source + "/tests/data/moving"
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        text = ini({"server": server_section(build, plugins="store_sqlite, auth_store",
                                             modules="sasl, bind, blocking, roster, presence, offline, vcard, private, ping, portability"),
                    "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"}})
        with Tambod(build, folder, text) as tambod:
            mover = Mover(tambod, folder)
            tambod.port()
            from_ejabberd(mover, data)
            from_prosody(mover, data)
            round_trip(mover)
            juliet_lives_on(mover)
            hostile_files(mover)
            expect(tambod.stop() == 0, "it stops", tambod.log())


main()
