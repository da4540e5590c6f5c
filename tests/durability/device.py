"""A device that uses XEP-0198 (1.6) to the letter: it knows what the server has counted, and what it has counted itself."""
import asyncio
import collections
from xml.sax.saxutils import quoteattr

from xmpp import CLIENT, SM, STREAMS, Gone, Refused, Stream

ASK_AFTER = 0.3     # seconds of silence after which the server is asked for its count
BROKEN_AFTER = 2.5    # seconds of silence after which the link counts as broken
MODULUS = 2 ** 32

Sent = collections.namedtuple("Sent", "text message")   # `message`: what the sender knows it by; None: not worth sending anew


class Device:
    """One resource of an account. `live` keeps it connected until it is to leave; people.py says what it does."""

    def __init__(self, place, user, resource, tls):
        self.place, self.user, self.resource, self.tls = place, user, resource, tls
        self.stream, self.session = None, None   # `session`: what XEP-0198 calls SM-ID
        self.forget()
        self.is_online, self.is_leaving, self.has_left = False, False, False
        self.logins = self.resumed = self.refused = 0
        self.violations = []

    def forget(self):
        """A new session begins."""
        self.session, self.handled, self.acked, self.unacked = None, 0, 0, collections.deque()
        self.has_said_goodbye = False

    # To be said otherwise by those who do something.
    def on_session(self): pass                # a new one, just logged in
    def on_message(self, message): pass
    def on_counted(self, message): pass       # the server has taken responsibility
    def on_request(self): self.acknowledge()  # <r/>
    def on_quiet(self): pass                  # everything that came is handled

    async def live(self):
        """Returns when the server has seen this device off."""
        self.is_leaving = self.has_left = False
        while not self.has_left:
            try:
                await self.connect()
                await self.follow()
            except Gone as why:
                self.place.note(self, why)
            finally:
                self.is_online = False
                if self.stream:
                    self.stream.abort()
            if not self.has_left:
                await asyncio.sleep(self.place.random.uniform(0.01, 0.1))   # a server that starts is not hammered

    def leave(self):
        """Acknowledges everything, says goodbye, and hears nothing more: what comes now was not handled."""
        self.is_leaving = True
        self.say_goodbye()

    def say_goodbye(self):
        self.acknowledge()
        self.has_said_goodbye = True   # whether it was heard or not
        self.say("</stream:stream>")

    def vanish(self):
        """As a phone in a tunnel."""
        if self.stream:
            self.stream.abort()

    async def connect(self):
        self.stream = await Stream.connect(*self.place.address(), self.place.domain, self.tls)
        await self.stream.log_in(self.user, self.place.password)
        if not (self.session and await self.resume()):
            await self.begin()

    async def resume(self):
        self.stream.send("<resume xmlns='urn:xmpp:sm:3' h='%d' previd=%s/>" % (self.handled, quoteattr(self.session)))
        answer = await self.stream.answer()
        if answer.get("h") is not None:
            self.count(int(answer.get("h")))
        if answer.tag == SM + "resumed":
            self.resumed += 1
            self.is_online = True
            self.send_all(self.unacked)
            return True
        if answer.tag != SM + "failed":
            raise Refused("neither resumed nor failed, but " + answer.tag)
        self.refused += not self.has_said_goodbye
        self.place.note(self, "<resume/> refused%s: %s" % (" after a goodbye" * self.has_said_goodbye, words(answer)))
        return False

    async def begin(self):
        """A new session. What the last one's server did not count is sent again, in order."""
        again = [sent for sent in self.unacked if sent.message is not None]
        await self.stream.bind(self.resource)
        self.stream.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        answer = await self.stream.answer()
        if answer.tag != SM + "enabled":
            raise Refused("no stream management, but " + answer.tag)
        self.forget()
        self.logins += 1
        self.session = answer.get("id") if answer.get("resume") in ("true", "1") else None
        self.unacked.extend(again)
        self.is_online = True
        self.send_all(again)
        self.on_session()

    def send_all(self, kept):
        for sent in kept:
            self.stream.send(sent.text)
        self.request()
        self.place.stirred()

    async def follow(self):
        if self.is_leaving:
            self.say_goodbye()
        while True:
            element = await self.stream.next(ASK_AFTER)
            if element is None:
                self.look_whether_it_is_alive()
            elif element is Stream.CLOSED:
                self.closed()
            else:
                self.take(element)
            if not self.stream.elements and not self.is_leaving:
                self.on_quiet()

    def look_whether_it_is_alive(self):
        if asyncio.get_running_loop().time() - self.stream.heard > BROKEN_AFTER:
            raise Gone("silence")
        self.request()

    def closed(self):
        if self.is_leaving:
            self.has_left = True
            self.forget()
        raise Gone("the server closed the stream")

    def take(self, element):
        if element.tag == SM + "r":
            if not self.is_leaving:
                self.on_request()
        elif element.tag == SM + "a":
            self.count(int(element.get("h")))
        elif element.tag == STREAMS + "error":
            raise Gone("stream error: " + words(element))
        elif element.tag.startswith(CLIENT) and not self.is_leaving:
            self.handled = (self.handled + 1) % MODULUS
            if element.tag == CLIENT + "message":
                self.on_message(element)

    def count(self, h):
        """The server has handled so many of this session's stanzas."""
        more = (h - self.acked) % MODULUS
        if more > len(self.unacked):
            self.violations.append("%s/%s: h=%d after %d with %d more sent" % (self.user, self.resource, h, self.acked,
                                                                             len(self.unacked)))
            return
        self.acked = h
        for _ in range(more):
            sent = self.unacked.popleft()
            if sent.message is not None:
                self.on_counted(sent.message)

    def send(self, text, message=None):
        """Now, or when there is a session again."""
        self.unacked.append(Sent(text, message))
        self.say(text)

    def request(self):
        self.say("<r xmlns='urn:xmpp:sm:3'/>")

    def acknowledge(self):
        self.say("<a xmlns='urn:xmpp:sm:3' h='%d'/>" % self.handled)

    def say(self, text):
        if self.is_online:
            self.stream.send(text)


def words(refusal):
    """The conditions in it, and whether there is an h."""
    said = [each.tag.rpartition("}")[2] for each in refusal]
    return " ".join(said + ["with h"] * (refusal.get("h") is not None))
