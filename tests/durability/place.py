"""What writers, readers and troublemakers of one scene share."""
import asyncio
import collections
import heapq
import itertools
import secrets


class Progress:
    """Counts what happens, so that trouble comes at moments of the story and not of the clock."""

    def __init__(self):
        self.count, self.waiting, self.ties = 0, [], itertools.count()
        self.last = 0.0

    def stirred(self):
        self.count += 1
        self.last = asyncio.get_running_loop().time()
        while self.waiting and self.waiting[0][0] <= self.count:
            future = heapq.heappop(self.waiting)[2]
            if not future.done():
                future.set_result(None)

    async def after(self, events):
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self.waiting, (self.count + events, next(self.ties), future))
        await future


class Place:
    def __init__(self, server, books, random, link=None):
        self.domain, self.password = server.domain, server.password
        self.address = (lambda: ("127.0.0.1", link.port)) if link else server.address
        self.books, self.random, self.link = books, random, link
        self.progress = Progress()
        self.stirred = self.progress.stirred
        self.tag = "%06x" % secrets.randbelow(2 ** 24)   # so that nothing of an earlier run is taken for this one's
        self.reasons = collections.Counter()   # why connections ended

    def note(self, device, why):
        del device
        self.reasons[str(why)[:160]] += 1

    def some(self, most):
        """How many events until something happens: any number, but every other time rather few."""
        return int(self.random.choice((most ** self.random.random(), most * self.random.random())))

    def numbers(self, message):
        """{(writer, account, number)} if it is one of ours."""
        parts = (message.get("id") or "").split("/")
        return {(parts[1], parts[2], int(parts[3]))} if len(parts) == 4 and parts[0] == self.tag else set()
