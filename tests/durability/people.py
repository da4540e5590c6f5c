"""Writers and readers, and how readers acknowledge."""
import asyncio
import itertools

from device import Device
from xmpp import CLIENT

DELAY = "{urn:xmpp:delay}delay"
WINDOW = 40          # messages that a writer has under way
ASK_EVERY = 5        # messages after which a writer asks for the server's count
PAUSE = 0.008        # seconds between two messages of a writer, on average
LONGEST_DELAY = 1.5  # seconds that a slow reader's answers take


class Writer(Device):
    def __init__(self, place, user, tls, accounts):
        super().__init__(place, user, "writer", tls)
        self.accounts, self.is_done = accounts, False

    async def write(self):
        """Until told to stop; each account in turn."""
        for number in itertools.count():
            await asyncio.sleep(self.place.random.expovariate(1 / PAUSE))
            if self.is_done:
                return
            if self.logins and len(self.unacked) < WINDOW:
                self.tell(self.accounts[number % len(self.accounts)])
                if number % ASK_EVERY == 0:
                    self.request()

    def tell(self, account):
        """It is in the books before the server can see it."""
        message = self.place.books.write(self.user, account)
        self.send("<message to='%s@%s' type='chat' id='%s/%s/%s/%d'><body>%d %s</body></message>" % (
            account, self.place.domain, self.place.tag, *message, message[2], "." * self.place.random.randrange(160)), message)

    def on_counted(self, message):
        self.place.books.accepted.add(message)
        self.place.stirred()

    def on_message(self, message):
        if message.get("type") == "error":
            self.place.books.bounced |= self.place.numbers(message)


class Reader(Device):
    """The usual one: acknowledges when asked, and what it has at the end of each batch."""

    def __init__(self, place, user, resource, tls):
        super().__init__(place, user, resource, tls)
        self.stamped = 0
        place.books.members[user].append(self)

    def on_session(self):
        if not self.is_leaving:
            self.send("<presence/>")

    def on_message(self, message):
        if message.get("type") == "chat":
            for number in self.place.numbers(message):
                self.stamped += message.find(DELAY) is not None
                self.place.books.arrive(self, number)
                self.place.stirred()

    def on_quiet(self):
        self.acknowledge()

    def confess(self):
        """From now on it acknowledges like everybody else."""
        self.on_request = self.on_quiet = self.acknowledge
        if not self.is_leaving:
            self.acknowledge()


class OnRequest(Reader):
    def on_quiet(self):
        pass


class EveryNth(Reader):
    every = 7

    def on_request(self):
        pass

    def on_message(self, message):
        super().on_message(message)
        if self.handled % self.every == 0:
            self.acknowledge()

    def on_quiet(self):
        pass


class Late(OnRequest):
    """Answers, but not soon."""

    def on_request(self):
        stream = self.stream
        asyncio.get_running_loop().call_later(
            self.place.random.uniform(0, LONGEST_DELAY),
            lambda: self.acknowledge() if self.stream is stream and not self.is_leaving else None)


class Never(OnRequest):
    """Only what it says when it resumes, and at the end."""

    def on_request(self):
        pass
