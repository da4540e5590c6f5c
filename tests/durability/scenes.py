"""The scenes: who takes part, what goes wrong, and how each of them ends: everybody comes back and is heard out."""
import asyncio

from archive import found_in_archive
from books import Books
from link import Link
from people import EveryNth, Late, Never, OnRequest, Reader, Writer
from place import Place
from servers import point_was_reached
from xmpp import Gone, Stream

WRITERS = 4
TLS = ("none", "none", "starttls")   # every third device
BETWEEN_KILLS = 600                  # at most so many events
BETWEEN_CUTS = 150
STEP = 240                           # seconds that a clock may be wrong; less than half of what sessions are kept for
QUIET = 1.5                          # seconds without anything new after which nothing more is expected
SLOW = 60                            # seconds without anything new after which a server that owes something has failed
MIXED = (Reader, OnRequest, EveryNth, Late)


class Scene:
    """Readers' policies, by account; `devices` of each; and which troubles come."""

    def __init__(self, says, policies=MIXED, devices=1, cuts=False, spells=False, steps=False):
        self.says, self.policies, self.devices = says, policies, devices
        self.cuts, self.spells, self.steps = cuts, spells, steps


SCENES = {
    "kill": Scene("the server dies at any moment"),
    "cut": Scene("links break in four ways, most of them without a word; the server lives", cuts=True),
    "withheld": Scene("readers acknowledge late, every seventh, or never", (Late, EveryNth, Never, Never)),
    "offline": Scene("readers are away part of the time, with and without goodbye", spells=True),
    "devices": Scene("three devices of each account", (Reader, Late, EveryNth, OnRequest), devices=3),
    "clock": Scene("the server's clock is set forth and back, by up to four minutes", steps=True),
    "storm": Scene("all of it at once", (Late, EveryNth, Never, Reader), devices=2, cuts=True, spells=True, steps=True),
}
WITHOUT_KILLS = ("cut",)


class Performance:
    """One scene on one server."""

    def __init__(self, name, server, options, random):
        self.name, self.scene, self.server, self.options, self.random = name, SCENES[name], server, options, random
        self.books, self.tasks, self.lives = Books(), [], {}
        self.readers, self.writers = [], []
        self.kills = self.points = self.steps = 0
        self.is_over = False

    async def play(self, kills):
        self.link = await Link(self.server.address).open() if self.scene.cuts else None
        self.place = Place(self.server, self.books, self.random, self.link)
        try:
            await self.cast()
            await self.trouble(kills)
            await self.come_back()
            return self.figures()
        finally:
            for task in (*self.tasks, *self.lives.values()):
                task.cancel()
            await asyncio.gather(*self.tasks, *self.lives.values(), return_exceptions=True)
            for device in (*self.writers, *self.readers):
                device.vanish()
            if self.link:
                self.link.close()
            if self.steps:
                self.server.step_clock(0)

    # Everybody comes.
    async def cast(self):
        names, accounts = people(self.options.user_prefix, self.name)
        tls = iter(self.transports())
        self.readers = [policy(self.place, account, "device%d" % number, next(tls))
                        for account, policy in zip(accounts, self.scene.policies) for number in range(self.scene.devices)]
        self.writers = [Writer(self.place, name, next(tls), [accounts[(number + more) % len(accounts)] for more in (0, 1)])
                        for number, name in enumerate(names)]
        for reader in self.readers:
            self.enter(reader)
        await self.until(lambda: all(reader.is_online for reader in self.readers))
        for writer in self.writers:
            self.enter(writer)
            self.tasks.append(asyncio.create_task(writer.write()))

    def transports(self):
        while True:
            yield from ([self.options.tls] if self.options.tls else TLS)

    def enter(self, device):
        self.lives[device] = asyncio.create_task(device.live())

    # What goes wrong.
    async def trouble(self, kills):
        troubles = [self.kill(kills)] if kills else []
        if self.scene.cuts:
            self.tasks.append(asyncio.create_task(self.cut()))
        if self.scene.steps and self.server.clock():
            self.tasks.append(asyncio.create_task(self.step()))
        if self.scene.spells:
            self.tasks += [asyncio.create_task(self.spells(reader)) for reader in self.readers]
        if not troubles:
            troubles = [self.place.progress.after(self.options.events)]
        await asyncio.gather(*(self.watched(trouble) for trouble in troubles))

    async def watched(self, trouble):
        """A server that gets nothing done any more ends the scene."""
        task = asyncio.create_task(trouble)
        before = -1
        while not task.done():
            if before == self.place.progress.count:
                task.cancel()
                raise SystemExit("%s: nothing happens any more; connections ended by: %s\n%s" % (
                    self.name, dict(self.place.reasons), self.server.last_words()))
            before = self.place.progress.count
            await asyncio.wait([task], timeout=SLOW)
        task.result()

    async def kill(self, times):
        for number in range(times):
            point = self.options.kill_at[number % len(self.options.kill_at)] if self.options.kill_at else None
            if point and number > 0:
                await self.until_it_kills_itself()
            else:
                await self.place.progress.after(self.place.some(BETWEEN_KILLS))
            await self.server.kill()
            self.kills += 1
            last = number == times - 1
            await self.server.start(None if last or not point else "%s:%d" % (point, 1 + self.place.some(BETWEEN_KILLS)))

    async def until_it_kills_itself(self):
        """Or until so much has happened that it does not get there."""
        late = asyncio.create_task(self.place.progress.after(4 * BETWEEN_KILLS))
        while not late.done() and not self.server.has_ended():
            await asyncio.wait([late], timeout=0.02)
        self.points += point_was_reached(self.server.process) and not late.done()
        late.cancel()

    async def cut(self):
        while True:
            await self.place.progress.after(self.place.some(BETWEEN_CUTS))
            self.link.cut(self.random)

    async def step(self):
        while True:
            await self.place.progress.after(self.place.some(BETWEEN_CUTS))
            self.server.step_clock(self.random.randint(-STEP, STEP))
            self.steps += 1

    async def spells(self, reader):
        """Away and back. Half of the time it says goodbye first."""
        while True:
            await self.place.progress.after(20 + self.place.some(BETWEEN_KILLS))
            if self.random.random() < 0.5:
                reader.leave()
                await self.lives[reader]
            else:
                self.lives[reader].cancel()
                await asyncio.gather(self.lives[reader], return_exceptions=True)
                reader.vanish()
            await self.place.progress.after(20 + self.place.some(BETWEEN_KILLS))
            self.enter(reader)

    # How it ends.
    async def come_back(self):
        for task in self.tasks[len(self.writers):]:
            task.cancel()
        for writer in self.writers:
            writer.is_done = True
        for reader in self.readers:
            reader.confess()
        await self.until(lambda: all(self.is_settled(reader) for reader in self.readers))
        await self.until(lambda: all(writer.is_online and not writer.unacked for writer in self.writers))
        await self.hear_out(lambda: self.books.missing() or self.books.missed_now())
        self.books.missed = self.books.missed_now()
        await self.one_more_time()

    def is_settled(self, reader):
        """Here, whatever its last spell had in mind."""
        if self.lives[reader].done():
            self.enter(reader)
        return reader.is_online and not reader.is_leaving

    async def hear_out(self, lacks):
        """Until everything has arrived and nothing more comes, or nothing comes for long: a device whose link was cut in silence
        takes a while to notice."""
        patience = self.options.patience
        while True:
            silence = asyncio.get_running_loop().time() - self.place.progress.last
            if silence > (patience if lacks() else QUIET):
                return
            await asyncio.sleep(0.1)

    async def one_more_time(self):
        """Everybody says goodbye and logs in anew: does anything come that was there already, or that was thought lost?"""
        for reader in self.readers:
            reader.leave()
        await self.until(lambda: all(self.lives[reader].done() for reader in self.readers))
        for reader in self.readers:
            self.enter(reader)
        await self.until(lambda: all(reader.is_online for reader in self.readers))
        self.place.stirred()
        await self.hear_out(self.books.missing)
        if self.options.mam:
            for account in {reader.user for reader in self.readers}:
                self.books.archived |= await found_in_archive(self.place, account, self.options.tls or "none")

    async def until(self, is_so):
        end = asyncio.get_running_loop().time() + SLOW
        while not is_so():
            for task in (*self.lives.values(), *self.tasks):
                if task.done() and not task.cancelled() and task.exception():
                    raise task.exception()
            if asyncio.get_running_loop().time() > end:
                raise SystemExit("%s: the server does not get there; connections ended by: %s\n%s" % (
                    self.name, dict(self.place.reasons), self.server.last_words()))
            await asyncio.sleep(0.02)

    def figures(self):
        people = [*self.writers, *self.readers]
        return {"scene": self.name, "kills": self.kills, "points": self.points,
                "cuts": self.link.cuts if self.link else 0, "steps": self.steps,
                **self.books.figures(), "resumed": sum(each.resumed for each in people),
                "refused": sum(each.refused for each in people), "stamped": sum(reader.stamped for reader in self.readers),
                "violations": sum((each.violations for each in people), []), "examples": self.books.examples(),
                "reasons": dict(self.place.reasons)}


def people(prefix, scene):
    """The names of its writers and of its readers."""
    return (["%s%sw%d" % (prefix, scene, number) for number in range(WRITERS)],
            ["%s%sr%d" % (prefix, scene, number) for number in range(len(SCENES[scene].policies))])


async def register(server, options):
    """Everybody who will take part, and the server has had time to keep them: accounts are not what this is about, and not
    everybody keeps them at once."""
    for scene in options.scenes:
        for name in sum(people(options.user_prefix, scene), []):
            stream = await connected(server, options.tls or "none")
            await stream.register(name, server.password)
            stream.abort()
    await server.restart()


async def connected(server, tls="none"):
    """A stream with features: some listen before they know whom they serve."""
    end = asyncio.get_running_loop().time() + SLOW
    while True:
        try:
            return await Stream.connect(*server.address(), server.domain, tls)
        except Gone:
            if asyncio.get_running_loop().time() > end:
                raise
        await asyncio.sleep(0.1)
