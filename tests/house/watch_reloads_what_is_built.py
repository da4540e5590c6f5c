#!/usr/bin/python3
"""[kernel] watch: whatever way a build or an author brings a new file, the module is reloaded when it is whole, and a client
that is there sees it; what can't be reloaded leaves the running version alone, and the log says why."""
import os
import re
import shutil
import tempfile

from tambod import Tambod, Wire, arguments, expect, ini, server_section


class Author:
    """Has a module in a folder of their own, and a client that asks it."""

    def __init__(self, tambod, villains, folder):
        self.tambod, self.villains, self.folder = tambod, villains, folder
        self.asked, self.lines = 0, 0
        self.juliet = Wire.to(tambod.port())
        self.juliet.log_in("juliet", "verona")

    def version(self, name):
        """The bytes of what somebody built."""
        with open("%s/%s.so" % (self.villains, name), "rb") as file:
            return file.read()

    def copy(self, version, name="counter"):
        shutil.copyfile("%s/%s.so" % (self.villains, version), "%s/%s.so" % (self.folder, name))

    def said(self, pattern):
        """The next thing that the watch said, which has to be that."""
        self.lines += 1
        news = self.tambod.until(r"(?s)\A(?>.*? watch: ){%d}[^\n]*\n" % self.lines).group(0)
        line = re.findall(r" watch: (.*)\n", news)[-1]
        expect(re.fullmatch(pattern, line), "the watch says %r" % pattern, line, self.tambod.log())

    def is_reloaded(self, module="counter"):
        self.said(module + r" reloaded, generation \d+, [\d.]+ ms pause")

    def sees(self, version):
        self.asked += 1
        self.juliet.send("<iq type='get' to='localhost' id='q'><query xmlns='urn:tambo:test:counter'/></iq>")
        answer = self.juliet.until("</iq>|<query[^>]*/>")
        for name, value in (("version", version), ("count", self.asked), ("own", self.asked)):
            expect(re.search("%s=['\"]%s['\"]" % (name, value), answer), "%s is %s" % (name, value), answer, self.tambod.log())


def written_over(author):
    author.sees(1)
    author.copy("counter_v2")
    author.is_reloaded()
    author.sees(2)


def refused(author):
    author.copy("counter")   # which knows nothing of what the second version keeps
    author.said("counter stays as it is: .* newer than this build.*")
    author.sees(2)


def moved_in(author):
    author.copy("counter_v2", "built")
    os.rename(author.folder + "/built.so", author.folder + "/counter.so")
    author.is_reloaded()
    author.sees(2)


def half_written(author):
    whole = author.version("counter_v2")
    for is_rest_in_time in (True, False):
        with open(author.folder + "/counter.so", "wb") as file:
            file.write(whole[:5000])
        author.said("counter is waited for: .* is cut short.*")   # of which only those hear who debug
        if not is_rest_in_time:
            author.said("counter stays as it is: .*/counter.so is cut short.*")
        author.sees(2)
        with open(author.folder + "/counter.so", "ab") as file:
            file.write(whole[5000:])
        author.is_reloaded()
        author.sees(2)


def not_loaded(author):
    """What nobody loaded is left alone, whatever it is, and so is another module's namesake elsewhere."""
    author.copy("counter_v2", "guest")
    with open(author.folder + "/other.so", "wb") as file:
        file.write(b"nothing")
    os.mkdir(author.folder + "/deeper")
    author.copy("counter", "deeper/counter")
    author.copy("counter_v2")
    author.is_reloaded()
    expect("guest" not in author.tambod.ctl("modules"), "a new file is not loaded")
    expect("other" not in author.tambod.log(), "nor judged")


def several(author):
    author.copy("counter_v2")
    author.copy("pages", "pages")
    author.is_reloaded()
    author.is_reloaded("pages")
    author.copy("counter")   # bad, and tried again with what comes, in case that is what it lacked
    for _ in range(2):
        author.copy("pages", "pages")
        author.said("counter stays as it is: .* newer than this build.*")
        author.is_reloaded("pages")
    author.sees(2)
    author.copy("counter_v2")
    author.is_reloaded()


def made_anew(author):
    """As after a `rm -rf build`."""
    shutil.rmtree(author.folder)
    author.said(re.escape(author.folder) + " cannot be watched until it is there: .*")
    os.mkdir(author.folder)
    author.copy("counter_v2")
    author.is_reloaded()
    author.sees(2)
    author.copy("counter_v2")
    author.is_reloaded()
    author.sees(2)


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        own = folder + "/own"
        os.mkdir(own)
        for module in ("counter", "pages"):
            shutil.copy("%s/villains/%s.so" % (build, module), own)
        text = ini({"server": server_section(build, threads=1, plugins="store_memory, auth_store",
                                             modules="sasl, bind, counter, pages",
                                             module_path="%s, %s/modules, %s/plugins" % (own, build, build)),
                    "kernel": {"watch": "on"}, "log": {"level": "debug"},
                    "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"}})
        with Tambod(build, folder, text) as tambod:
            tambod.port()
            tambod.ctl("user", "add", "juliet@localhost", "verona")
            author = Author(tambod, build + "/villains", own)
            for story in (written_over, refused, moved_in, half_written, not_loaded, several, made_anew):
                story(author)
            expect(tambod.stop() == 0, "it stops", tambod.log())


main()
