#!/usr/bin/python3
"""tamboctl explain tells the life of one message, wherever its accounts live, and never what it says."""
import json
import tempfile

from tambod import Tambod, Wire, arguments, expect, ini, server_section

DONE, REFUSED, NOT_UNDERSTOOD = 0, 1, 2
SECRET = "wherefore"
USERS = ["juliet", "romeo", "mercutio", "nurse", "paris", "tybalt"]   # some on each shard


class Explainer:
    def __init__(self, tambod):
        self.tambod = tambod

    def ask(self, *words):
        code, out, err = self.tambod.ask("explain", *words)
        code_json, out_json, _ = self.tambod.ask("explain", *words, "--json")
        expect(code == code_json, "explain %s is as good in JSON" % (words,), code, code_json)
        expect(SECRET not in out + err + out_json, "nothing is told of what a message says", out, err, out_json)
        return code, out, json.loads(out_json)

    def life(self, *words):
        code, out, answer = self.ask(*words)
        expect(code == DONE and answer["done"], "explain %s knows it" % (words,), out, answer)
        values = answer["values"]
        expect(all(step in out for step in values["steps"]), "people see the same", out, values)
        return {name: value if name == "steps" else value[0] for name, value in values.items()}

    def unknown(self, *words):
        code, _, answer = self.ask(*words)
        expect(code == REFUSED and not answer["done"] and answer["reason"], "explain %s knows nothing" % (words,), answer)


def send(wire, to, ident, more=""):
    wire.send("<message to='%s@localhost' type='chat' id='%s'><body>%s art thou</body>%s</message>" % (to, ident, SECRET, more))
    wire.ping("after-" + ident)


def steps(life):
    return [step.split("  ", 1)[-1].split(":")[0] for step in life["steps"]]


def main():
    build, _ = arguments()
    modules = "sasl, bind, ping, roster, presence, stream_management, ticks, blocking, offline, receipts"
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        text = ini({"server": server_section(build, plugins="store_sqlite, auth_store", modules=modules),
                    "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"}})
        with Tambod(build, folder, text) as tambod:
            tambod.port()
            wires = {}
            for user in USERS:
                tambod.ctl("user", "add", "%s@localhost" % user, "x")
            for user in USERS[:3]:
                wires[user] = Wire.to(tambod.port())
                wires[user].log_in(user, "x")
                wires[user].send("<presence/>")
                wires[user].until("<presence")
            juliet, romeo, mercutio = (wires[user] for user in USERS[:3])
            explain = Explainer(tambod)

            send(juliet, "romeo", "m1")
            romeo.until("</message>")
            life = explain.life("m1")
            expect(life["state"] == "handed" and life["to"] == "romeo@localhost", "it was delivered", life)
            expect(life["from"].startswith("juliet@localhost/"), "by whom", life)
            expect(steps(life) == ["routed", "handed"], "and how", life)
            expect(explain.life("m1", "romeo@localhost")["state"] == "handed", "it is known by its account")
            explain.unknown("m1", "nurse@localhost")

            romeo.send("<message to='juliet@localhost' type='chat'><displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/></message>")
            juliet.until("<displayed")
            life = explain.life("m1")
            expect(life["state"] == "read" and steps(life)[-1] == "read", "it was read", life)

            mercutio.send("<enable xmlns='urn:xmpp:sm:3'/>")
            mercutio.until("<enabled")
            send(juliet, "mercutio", "m2")
            mercutio.until("</message>")
            mercutio.send("<a xmlns='urn:xmpp:sm:3' h='1'/>")
            mercutio.ping("acknowledged")
            life = explain.life("m2")
            expect(life["state"] == "delivered" and steps(life)[0] == "routed", "it was acknowledged", life)
            expect(sorted(steps(life)[1:]) == ["accepted", "delivered", "tried"], "after it was given to a device", life)
            expect(explain.life(life["stable_id"])["id"] == "m2", "it is known by its stable id, too", life)

            for user in USERS[3:]:
                send(juliet, user, "waiting-for-" + user)
                life = explain.life("waiting-for-" + user)
                expect(life["state"] == "waiting" and "nobody" in steps(life), "it waits for " + user, life)
            send(juliet, "romeo", "hidden", "<no-store xmlns='urn:xmpp:hints'/>")
            explain.unknown("hidden")
            explain.unknown("never-sent")
            expect(tambod.ask("explain")[0] == NOT_UNDERSTOOD, "an id has to be given")

            romeo.send("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='juliet@localhost'/></block></iq>")
            romeo.until("id='b'")
            send(juliet, "romeo", "blocked")
            expect(explain.life("blocked")["state"] == "stopped", "a blocked one went no further")

            tambod.ctl("reload", "ticks")   # and its memory begins anew
            explain.unknown("waiting-for-nurse")
            life = explain.life("waiting-for-nurse", "nurse@localhost")
            expect(life["state"] == "waiting" and life["from"].startswith("juliet@"), "the journal knows what waits", life)
            tambod.ctl("stop")


main()
