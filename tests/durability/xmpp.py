"""A client's XMPP stream (RFC 6120) on a plain socket or over TLS, as far as this suite needs it."""
import asyncio
import base64
import collections
import functools
import hashlib
import hmac
import os
import ssl
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import quoteattr

STREAMS = "{http://etherx.jabber.org/streams}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
CLIENT = "{jabber:client}"
SM = "{urn:xmpp:sm:3}"
PATIENCE = 6   # seconds for one step of a negotiation: a link that is cut within one is a broken link


class Gone(Exception):
    """This stream is no more, or can't go on."""


class Refused(Gone):
    """The server said no."""


class Stream(asyncio.Protocol):
    """Reads whole elements; nothing that arrived before the connection broke is forgotten."""

    patience = PATIENCE
    CLOSED = object()   # comes after the last element if the server closed the stream itself

    def __init__(self, domain):
        self.domain, self.transport, self.parser = domain, None, None
        self.elements, self.waiting, self.is_gone = collections.deque(), None, False
        self.heard = asyncio.get_running_loop().time()
        self.restart()

    @classmethod
    async def connect(cls, host, port, domain, tls):
        """`tls` is none, starttls or direct. The features of the new stream are in `features`."""
        loop = asyncio.get_running_loop()
        direct = {"ssl": trusting(), "server_hostname": domain} if tls == "direct" else {}
        try:
            _, stream = await asyncio.wait_for(loop.create_connection(lambda: cls(domain), host, port, **direct), PATIENCE)
        except (OSError, asyncio.TimeoutError) as error:
            raise Gone(str(error)) from error
        try:
            await stream.open()
            if tls == "starttls":
                await stream.start_tls()
        except BaseException:
            stream.abort()
            raise
        return stream

    # What asyncio calls.
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.heard = asyncio.get_running_loop().time()
        try:
            self.parser.feed(data)
            for event, element in self.parser.read_events():
                self.saw(event, element)
        except ElementTree.ParseError as error:
            self.elements.append(Refused("the server sent no XML: %s" % error))
        self.wake()

    def connection_lost(self, _):
        self.is_gone = True
        self.wake()

    def saw(self, event, element):
        if event == "start":
            self.root = element if self.depth == 0 else self.root
            self.depth += 1
            return
        self.depth -= 1
        if self.depth == 1:
            self.elements.append(element)
            self.root.clear()
        elif self.depth == 0:
            self.elements.append(self.CLOSED)

    def wake(self):
        if self.waiting and not self.waiting.done():
            self.waiting.set_result(None)

    async def next(self, patience=None):
        """The next element, or CLOSED; None if there was none in time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + (patience or self.patience)
        while not self.elements and not self.is_gone and loop.time() < end:
            self.waiting = loop.create_future()
            await asyncio.wait([self.waiting], timeout=end - loop.time())   # it may have been half an element that came
        if self.elements:
            element = self.elements.popleft()
            if isinstance(element, Exception):
                raise element
            return element
        if self.is_gone:
            raise Gone("the connection ended")
        return None

    async def answer(self):
        """What is said next while a stream is negotiated."""
        element = await self.next()
        if element is None or element is self.CLOSED:
            raise Gone("no answer")
        if element.tag == STREAMS + "error":
            raise Refused(ElementTree.tostring(element, "unicode"))
        return element

    def send(self, text):
        if not self.is_gone:
            self.transport.write(text.encode())

    def abort(self):
        self.is_gone = True
        if self.transport:
            self.transport.abort()

    def restart(self):
        self.parser, self.depth, self.root = ElementTree.XMLPullParser(("start", "end")), 0, None

    async def open(self):
        self.restart()
        self.send("<?xml version='1.0'?><stream:stream to=%s version='1.0' xmlns='jabber:client' "
                  "xmlns:stream='http://etherx.jabber.org/streams'>" % quoteattr(self.domain))
        self.features = await self.answer()
        if self.features.tag != STREAMS + "features":
            raise Refused("no features, but " + self.features.tag)

    def offers(self, tag):
        return self.features.find(tag) is not None

    async def start_tls(self):
        self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        if not (await self.answer()).tag.endswith("}proceed"):
            raise Refused("no TLS")
        try:
            self.transport = await asyncio.get_running_loop().start_tls(self.transport, self, trusting(),
                                                                        server_hostname=self.domain)
        except (OSError, AttributeError) as error:   # a transport that is closing meanwhile knows no protocol
            raise Gone(str(error)) from error
        if self.transport is None:
            raise Gone("the connection ended within the handshake")
        await self.open()

    async def log_in(self, user, password):
        """SCRAM-SHA-1 (RFC 5802) where the server has it, else PLAIN; then the stream that follows."""
        offered = {each.text for each in self.features.iter(SASL + "mechanism")}
        if "SCRAM-SHA-1" in offered:
            await self.log_in_by_scram(user, password)
        elif "PLAIN" in offered:
            self.authenticate("PLAIN", "\0%s\0%s" % (user, password))
            self.succeeded(await self.answer())
        else:
            raise Refused("no mechanism that this client knows: %s" % offered)
        await self.open()

    async def log_in_by_scram(self, user, password):
        first = "n=%s,r=%s" % (user, base64.b64encode(os.urandom(18)).decode())
        self.authenticate("SCRAM-SHA-1", "n,," + first)
        challenge = await self.answer()
        if challenge.tag != SASL + "challenge":
            raise Refused(ElementTree.tostring(challenge, "unicode"))
        challenge = base64.b64decode(challenge.text).decode()
        final, signature = scram_final(first, challenge, password)
        self.send("<response xmlns=%s>%s</response>" % (quoteattr(SASL[1:-1]), base64.b64encode(final.encode()).decode()))
        success = self.succeeded(await self.answer())
        if base64.b64decode(success.text or "") != b"v=" + base64.b64encode(signature):
            raise Refused("the server does not know the password")

    def authenticate(self, mechanism, text):
        self.send("<auth xmlns=%s mechanism='%s'>%s</auth>" % (quoteattr(SASL[1:-1]), mechanism,
                                                                base64.b64encode(text.encode()).decode()))

    @staticmethod
    def succeeded(element):
        if element.tag != SASL + "success":
            raise Refused(ElementTree.tostring(element, "unicode"))
        return element

    async def bind(self, resource):
        self.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>%s</resource></bind></iq>"
                  % resource)
        element = await self.answer()
        if element.tag != CLIENT + "iq" or element.get("type") != "result":
            raise Refused(ElementTree.tostring(element, "unicode"))

    async def register(self, user, password):
        """XEP-0077; an account that is there already is as good."""
        self.send("<iq type='set' id='register'><query xmlns='jabber:iq:register'><username>%s</username>"
                  "<password>%s</password></query></iq>" % (user, password))
        element = await self.answer()
        if element.get("type") != "result" and not any(each.tag.endswith("}conflict") for each in element.iter()):
            raise Refused(ElementTree.tostring(element, "unicode"))


def scram_final(first, challenge, password):
    """The client's last words and the signature that the server owes."""
    given = dict(part.split("=", 1) for part in challenge.split(","))
    salted = salted_password(password, given["s"], int(given["i"]))
    spoken = "c=biws,r=" + given["r"]
    everything = ",".join((first, challenge, spoken)).encode()
    client_key = digest(salted, b"Client Key")
    proof = bytes(a ^ b for a, b in zip(client_key, digest(hashlib.sha1(client_key).digest(), everything)))
    return "%s,p=%s" % (spoken, base64.b64encode(proof).decode()), digest(digest(salted, b"Server Key"), everything)


def digest(key, text):
    return hmac.new(key, text, hashlib.sha1).digest()


@functools.lru_cache(None)
def salted_password(password, salt, iterations):
    return hashlib.pbkdf2_hmac("sha1", password.encode(), base64.b64decode(salt), iterations)


@functools.lru_cache(None)
def trusting():
    """Whoever answers at the address is believed: this is about losing messages, not about keeping them secret."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
