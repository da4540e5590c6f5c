#!/usr/bin/python3
"""A client that speaks XML to funxmpp-proxy notices nothing while the link is cut, the server is restarted, or the wire
changes; nothing is lost, repeated or out of order, also if the proxy is killed with a full outbox."""
import signal
import sys
import tempfile

from funxmpp_house import CuttableLink, Person, Proxy, add_people, start_tambod
from tambod import arguments, expect


def words(what, count):
    return ["%s-%d" % (what, i) for i in range(count)]


class Story:
    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.tambod, port = start_tambod(build, folder)
        add_people(self.tambod)
        self.link = CuttableLink(port)
        self.proxy = Proxy(build, folder, self.link.port)
        self.juliet = Person.online(port, "juliet")
        self.romeo = Person.online(self.proxy.port(), "romeo")
        self.proxy.until("new session")
        self.said_to_juliet, self.said_to_romeo = [], []

    def tell_juliet(self, what, count=5):
        self.romeo.write_to("juliet@localhost", words(what, count))
        self.said_to_juliet += words(what, count)
        self.romeo.ping(what)   # the proxy answers in order, so it has them all on disk

    def tell_romeo(self, what, count=3):
        self.juliet.write_to("romeo@localhost", words(what, count))
        self.said_to_romeo += words(what, count)
        self.juliet.ping(what)

    def compare(self, when):
        self.juliet.until_bodies(self.said_to_juliet, "Juliet has all, once and in order, " + when)
        self.romeo.until_bodies(self.said_to_romeo, "Romeo has all, once and in order, " + when)

    def calm(self):
        # Romeo's presence goes through the outbox like everything else; messages find him when the server has it.
        self.romeo.write_to("romeo@localhost", ["to-himself"])
        self.said_to_romeo.append("to-himself")
        self.romeo.until_bodies(self.said_to_romeo, "Romeo is reached")
        self.tell_juliet("hello")
        self.tell_romeo("well")
        self.compare("with nothing in the way")

    def cut(self):
        self.link.cut()
        self.tell_juliet("cut")
        self.tell_romeo("meanwhile")
        self.link.mend()
        self.proxy.until("resumed the session")
        self.compare("after the link was cut")

    def restart(self):
        code = self.tambod.stop()
        expect(code == 0, "tambod stops", self.tambod.log())
        self.tell_juliet("restart")
        self.tambod, port = start_tambod(self.build, self.folder)
        self.juliet.socket.close()
        came = self.juliet.came
        self.juliet = Person.online(port, "juliet")
        self.juliet.came = came + self.juliet.came
        self.link.mend(port)
        self.proxy.until("resumed the session", 2)   # which the server had on its disk
        self.compare("after the server was restarted")
        self.tell_juliet("still")
        self.tell_romeo("here")
        self.compare("in the session that outlived the server")

    def kill(self):
        self.link.cut()
        self.tell_juliet("outbox", 40)
        self.proxy.kill()
        self.proxy = Proxy(self.build, self.folder, self.link.port, dialect="classic")
        romeo = Person.to(self.proxy.port())
        romeo.log_in("romeo", "verona")   # without network, and behind what still waits
        romeo.send("<presence/>")
        romeo.came = "".join("<body>%s</body>" % body for body in self.romeo.bodies())
        self.romeo = romeo
        self.tell_juliet("after")
        self.link.mend()
        self.compare("after the proxy was killed")
        self.tell_romeo("again")
        self.compare("in the sitting after that")

    def leave(self):
        self.romeo.send("</stream:stream>")
        self.romeo.until("</stream:stream>")
        self.proxy.process.send_signal(signal.SIGTERM)
        expect(self.proxy.process.wait(60) == 0, "the proxy ends in order", self.proxy.said)
        self.look_for_leftovers()

    def look_for_leftovers(self):
        """What the server holds for Romeo now is what no client took: nothing."""
        self.tell_romeo("offline", 2)
        romeo = Person.online(self.link.target, "romeo")
        romeo.until_bodies(words("offline", 2), "only what was said since waits for Romeo")


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        story = Story(build, folder)
        try:
            for step in (story.calm, story.cut, story.cut, story.restart, story.kill, story.leave):
                try:
                    step()
                except SystemExit:
                    print("in step %s; the proxy said:" % step.__name__, *story.proxy.said, sep="\n", file=sys.stderr)
                    raise
        finally:
            story.proxy.kill()
            story.tambod.__exit__()


main()
