#!/usr/bin/python3
"""What it costs not to lose anything: accepting for users who are away, chat between users who are there and acknowledge,
and handing over what waited. Several servers in one run, each started anew for each round; run it by hand, on a quiet machine.

    durability_bench.py [--servers tambo:fast,tambo:commit,tambo:fsync,prosody,prosody:sqlite,ejabberd,ejabberd:sqlite]

Accepted means: counted by h (XEP-0198). CPU time is the server's, until it has come to rest; bytes and writes are those of
/proc/PID/io. Figures are medians of the rounds, ratios to ejabberd those within a round.
"""
import argparse
import asyncio
import json
import os
import re
import statistics
import sys
import time
import types

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "durability"))
from peers import STARTED             # noqa: E402
from scenes import connected          # noqa: E402
from xmpp import SM, Refused, Stream  # noqa: E402

STANZA = re.compile(rb"<(?:message|presence|iq)[ >/]")
COUNT = re.compile(rb"<a [^>]*h=['\"](\d+)['\"]")
BATCH = 20            # messages between two <r/>
WINDOW = 5 * BATCH    # messages of one writer that may be uncounted
LONGEST = 20          # seconds after which a slow server has shown what it can do
TICKS = os.sysconf("SC_CLK_TCK")


class Usage:
    """What a process has used up so far."""

    def __init__(self, pid):
        with open("/proc/%d/stat" % pid, encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        self.cpu = (int(fields[11]) + int(fields[12])) / TICKS
        with open("/proc/%d/io" % pid, encoding="ascii") as file:
            io = dict(line.split(": ") for line in file.read().splitlines())
        self.bytes, self.writes, self.time = int(io["write_bytes"]), int(io["syscw"]), time.monotonic()


async def at_rest(pid):
    """Its usage when it has nothing left to do."""
    last = Usage(pid)
    while True:
        await asyncio.sleep(0.5)
        now = Usage(pid)
        if now.cpu - last.cpu < 0.02:
            return now
        last = now


class Talker:
    """A session whose bytes are counted rather than read."""

    def __init__(self, stream):
        self.stream, self.tail = stream, b""
        self.stanzas, self.counted, self.sent = 0, 0, 0
        self.changed = asyncio.Event()
        stream.data_received = self.came
        stream.connection_lost = lambda _: sys.exit("the server closed a connection: %s" % self.tail)

    @classmethod
    async def log_in(cls, server, user):
        stream = await connected(server)
        await stream.log_in(user, server.password)
        await stream.bind("bench")
        stream.send("<enable xmlns='urn:xmpp:sm:3'/>")
        if (await stream.answer()).tag != SM + "enabled":
            raise Refused("no stream management")
        return cls(stream)

    def came(self, data):
        data = self.tail + data
        end = data.rfind(b">") + 1   # a tag in two halves waits for its second
        self.tail = data[end:]
        self.stanzas += len(STANZA.findall(data, 0, end))
        for h in COUNT.findall(data, 0, end):
            self.counted = int(h)
        self.changed.set()

    def hang_up(self):
        self.stream.connection_lost = lambda _: None
        self.stream.abort()

    async def until(self, is_so):
        while not is_so():
            self.changed.clear()
            await self.changed.wait()

    async def tell(self, recipients, messages):
        """So many, to each in turn, or what can be done in time; returns when all are counted, and how many these are."""
        begin, end, late = self.sent, self.sent + messages, time.monotonic() + LONGEST
        while self.sent < end and time.monotonic() < late:
            await self.until(lambda: self.sent - self.counted < WINDOW)
            batch = range(self.sent, min(self.sent + BATCH, end))
            self.stream.send("".join(message(recipients[number % len(recipients)], number) for number in batch)
                             + "<r xmlns='urn:xmpp:sm:3'/>")
            self.sent = batch.stop
        await self.until(lambda: self.counted >= self.sent)
        return self.sent - begin

    async def listen(self):
        """Acknowledges all that comes, at once."""
        self.stream.send("<presence/>")
        while True:
            self.changed.clear()
            await self.changed.wait()
            self.stream.send("<a xmlns='urn:xmpp:sm:3' h='%d'/>" % self.stanzas)


def message(recipient, number):
    return "<message to='%s@localhost' type='chat' id='m%d'><body>%d %s</body></message>" % (recipient, number, number,
                                                                                             "." * 80)


class Round:
    def __init__(self, server, options):
        self.server, self.options, self.figures, self.talkers = server, options, {}, []
        self.tasks = []

    async def run(self):
        await self.server.start()
        writers = ["writer%d" % number for number in range(self.options.writers)]
        away = ["away%d" % number for number in range(self.options.recipients)]
        there = ["there%d" % number for number in range(self.options.writers)]
        for name in (*writers, *away, *there, "heap"):
            stream = await connected(self.server)
            await stream.register(name, self.server.password)
            stream.abort()
        await self.server.restart()
        self.pid = self.server.process.pid
        self.writers = [await self.log_in(name) for name in writers]
        await self.for_the_absent(away)
        await self.waiting_for_one("heap")
        await self.between_the_present(there)
        for task in self.tasks:
            task.cancel()
        for talker in self.talkers:
            talker.hang_up()
        return self.figures

    async def log_in(self, name):
        self.talkers.append(await Talker.log_in(self.server, name))
        return self.talkers[-1]

    async def measured(self, name, work):
        """`work` says how many messages each has written."""
        before, own, begin = await at_rest(self.pid), time.process_time(), time.monotonic()
        messages = sum(await work())
        seconds, own = time.monotonic() - begin, time.process_time() - own
        after = await at_rest(self.pid)
        cpu = max(after.cpu - before.cpu, 1 / TICKS)
        self.figures[name] = {"messages": messages, "seconds": seconds, "cpu_s": cpu,
                              "per_s": messages / seconds, "per_cpu_s": messages / cpu, "client_load": own / seconds,
                              "bytes": (after.bytes - before.bytes) / messages,
                              "writes": (after.writes - before.writes) / messages}

    async def write(self, recipients, messages):
        """How many each writer wrote."""
        return await asyncio.gather(*(writer.tell(recipients(number), messages // len(self.writers))
                                      for number, writer in enumerate(self.writers)))

    async def for_the_absent(self, away):
        each = len(away) // len(self.writers) or 1
        await self.measured("away", lambda: self.write(lambda number: away[number * each % len(away):][:each],
                                                       self.options.messages))

    async def waiting_for_one(self, name):
        waiting = sum(await self.write(lambda _: [name], self.options.waiting))
        await at_rest(self.pid)
        reader = await self.log_in(name)

        async def get_all():
            listening = asyncio.create_task(reader.listen())
            await reader.until(lambda: reader.stanzas > waiting)   # its own presence is one of them
            self.keep(listening)
            return [waiting]

        await self.measured("login", get_all)

    async def between_the_present(self, there):
        readers = [await self.log_in(name) for name in there]
        for reader in readers:
            self.keep(asyncio.create_task(reader.listen()))

        async def chat():
            before = [reader.stanzas for reader in readers]
            written = await self.write(lambda number: [there[number]], self.options.messages)
            for reader, had, messages in zip(readers, before, written):
                await reader.until(lambda: reader.stanzas >= had + messages)
            return written

        await self.measured("there", chat)

    def keep(self, task):
        """Ends with the round."""
        self.tasks.append(task)


async def one_round(name, options):
    Stream.patience = 120   # a busy server is no broken one here
    which, _, variant = name.partition(":")
    server = STARTED[which](types.SimpleNamespace(
        build=options.build, keep=False, mam="mam" in variant, durability=variant if which == "tambo" and variant else None,
        storage="sqlite" if "sqlite" in variant else "internal"))
    try:
        return {"server": name, "version": server.version(), **await Round(server, options).run()}
    finally:
        await server.stop()


PARTS = (("away", "stored for who is away"), ("there", "chat, acknowledged at once"), ("login", "waiting at login"))


def table(rounds, names):
    """Markdown; each figure with its ratio to ejabberd's."""
    lines = []
    for part, title in PARTS:
        lines += ["", "| %s | messages/s | messages per CPU-second | bytes written | writes | client busy |" % title,
                  "|---|---|---|---|---|---|"]
        for name in names:
            cells = [cell(rounds, name, part, figure) for figure in ("per_s", "per_cpu_s")]
            bytes_, writes, load = (statistics.median(each[name][part][figure] for each in rounds)
                                    for figure in ("bytes", "writes", "client_load"))
            lines.append("| %s | %s | %.0f | %.2f | %.0f %% |" % (name, " | ".join(cells), bytes_, writes, 100 * load))
    return "\n".join(lines)


def cell(rounds, name, part, figure):
    value = statistics.median(each[name][part][figure] for each in rounds)
    if "ejabberd" not in rounds[0]:
        return "{:,.0f}".format(value)
    ratio = statistics.median(each[name][part][figure] / each["ejabberd"][part][figure] for each in rounds)
    return "{:,.0f} ({:.2f}x)".format(value, ratio)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", default="tambo:fast,tambo:commit,tambo:fsync,prosody,prosody:sqlite,ejabberd,"
                        "ejabberd:sqlite", help="SERVER[:VARIANT],... (default %(default)s)")
    parser.add_argument("--build", default=os.path.normpath(HERE + "/../../build/release"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--waiting", type=int, default=10000)
    parser.add_argument("--writers", type=int, default=20)
    parser.add_argument("--recipients", type=int, default=100)
    parser.add_argument("--json", metavar="FILE", help="write every round's figures there")
    options = parser.parse_args()
    names, rounds = options.servers.split(","), []
    for _ in range(options.rounds):
        rounds.append({name: asyncio.run(one_round(name, options)) for name in names})
        print(json.dumps(rounds[-1]), file=sys.stderr)
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump(rounds, file, indent=1)
    print(table(rounds, names))


main()
