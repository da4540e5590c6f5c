#!/usr/bin/python3
"""The receiver of the hook answers slowly, refuses, dies, is swapped under: messages flow on, and it hears of each one."""
import http.server
import json
import os
import queue
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(sys.argv[2], "tests", "house"))
from tambod import PATIENCE, Tambod, Wire, arguments, expect, ini, server_section   # noqa: E402


class Receiver:
    """Each request waits for one of the `answers` that the test gives."""

    def __init__(self, port=0):
        self.heard, self.answers, self.arrivals, self.answered = [], queue.Queue(), queue.Queue(), queue.Queue()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                owner.arrivals.put(events)
                answer = owner.answers.get(timeout=PATIENCE)
                if answer == 204:
                    owner.heard.extend(events)
                owner.answered.put(answer)
                if answer == "die":
                    self.close_connection = True
                    return
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None   # a sender that goes away in the middle is what this is about
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def arrival(self):
        return self.arrivals.get(timeout=PATIENCE)

    def takes_until(self, last):
        """Takes what comes until the message with this id is among it; then it is as unwilling as before."""
        while not any(event["stanza_id"] == last for event in self.heard):
            if self.answers.empty():
                self.answers.put(204)
            self.answered.get(timeout=PATIENCE)
        for left in (self.answers, self.arrivals):
            while not left.empty():
                left.get()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Talk:
    def __init__(self, tambod):
        port = tambod.port()
        for user in ("juliet", "romeo"):
            tambod.ctl("user", "add", user + "@localhost", "verona")
        self.juliet, self.romeo, self.said = Wire.to(port), Wire.to(port), []
        self.juliet.log_in("juliet", "verona")
        self.romeo.log_in("romeo", "verona")
        self.romeo.send("<presence/>")
        self.romeo.ping("there")

    def say(self, body="Hist!"):
        """A message that arrives where it should, whatever the receiver of the hook does meanwhile."""
        self.said.append("m%d" % len(self.said))
        self.juliet.send("<message to='romeo@localhost' type='chat' id='%s'><body>%s</body></message>" % (self.said[-1], body))
        self.romeo.until("<message[^>]* id=['\"]%s['\"]" % self.said[-1])
        return self.said[-1]


def configuration(build, hook, **options):
    return ini({
        "server": server_section(build, plugins="store_memory, auth_store", modules="sasl, bind, roster, presence, ping, webhook",
                                 threads=1, module_path="%s/modules, %s/plugins, %s/examples/webhook" % ((build,) * 3)),
        "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"},
        "module webhook": {"url": "http://127.0.0.1:%d/hook" % hook, **options}})


def hears_of_everything(build, folder):
    receiver = Receiver()
    with Tambod(build, folder, configuration(build, receiver.port, patience="1m")) as tambod:
        talk = Talk(tambod)

        first = talk.say("Good &quot;morrow&quot;")
        event = receiver.arrival()[0]
        expect((event["stanza_id"], event["type"], event["to"], event["bytes"]) == (first, "chat", "romeo@localhost", 13),
               "a message is told of", event)
        expect("body" not in event, "not what it says, unless an option says so", event)
        for _ in range(3):   # the receiver sits on the first one: nobody waits for it
            talk.say()
        said = tambod.ctl("reload", "webhook")
        expect("old code is gone from memory" in said, "a swap under way does not pin the module", said)
        again = receiver.arrival()
        expect(again[0]["id"] == event["id"], "what was under way is told again, under the same id", again)
        receiver.takes_until(talk.said[-1])

        for trouble in ("die", 503):
            talk.say()
            receiver.arrival()
            receiver.answers.put(trouble)
            receiver.takes_until(talk.say())
        talk.say()
        receiver.arrival()
        receiver.answers.put(400)
        tambod.until("does not want 1 messages")
        refused = talk.said[-1]

        receiver.close()
        talk.say()
        tambod.until("takes no messages.*they wait")
        tambod.ctl("reload", "webhook")
        receiver_again = Receiver(receiver.port)
        receiver_again.takes_until(talk.say())
        told = receiver.heard + receiver_again.heard
        ids = list(dict.fromkeys(event["stanza_id"] for event in told))
        expect(ids == [i for i in talk.said if i != refused], "each message in order, but the refused one", ids, talk.said)
        expect(tambod.stop() == 0, "tambod ends as it should", tambod.log())


def drops_when_full(build, folder):
    receiver = Receiver()
    with Tambod(build, folder, configuration(build, receiver.port, max_waiting="1K", body="yes")) as tambod:
        talk = Talk(tambod)
        talk.say("first")
        expect(receiver.arrival()[0]["body"] == "first", "the body is told if the option says so")
        for _ in range(20):
            talk.say()
        tambod.until("will not hear of further ones")
        receiver.answers.put(204)
        waited = receiver.arrival()
        expect(0 < len(waited) < 20, "some waited, within the bound", waited)
        expect([e["stanza_id"] for e in waited] == talk.said[1:len(waited) + 1], "the oldest ones, in order", waited)
        last = talk.say()
        receiver.takes_until(last)
        expect(tambod.stop() == 0, "tambod ends as it should", tambod.log())


def main():
    build, _ = arguments()
    for story in (hears_of_everything, drops_when_full):
        with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
            story(build, folder)


main()
