"""A tambod of a test's own, in a folder of its own, and what a test needs to talk with it.

Every wait is for something that comes or that ends, and is bounded by the patience below: it is there for a server that
hangs, not for one that is slow.
"""
import base64
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading

PATIENCE = 60
SKIPPED = 77   # what CMakeLists.txt calls SKIP_RETURN_CODE
HEADER = ("<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
          "xmlns:stream='http://etherx.jabber.org/streams'>")


def arguments():
    """Where the build is, and where the sources are."""
    if len(sys.argv) != 3:
        sys.exit("usage: %s BUILD SOURCE" % os.path.basename(sys.argv[0]))
    return sys.argv[1], sys.argv[2]


def expect(is_so, sentence, *details):
    if not is_so:
        sys.exit("\n".join(["FAILED: " + sentence, *(str(d) for d in details)]))


def ini(sections):
    """{"server": {"domain": "localhost"}} as the text of an ini file."""
    return "\n".join("[%s]\n%s" % (name, "".join("%s = %s\n" % entry for entry in keys.items()))
                     for name, keys in sections.items())


def server_section(build, **more):
    keys = {"domain": "localhost", "data": "data", "control": "tambo.sock", "threads": 2, "plugins": "", "modules": "",
            "module_path": "%s/modules, %s/plugins" % (build, build)}
    return {**keys, **more}


class Talkative:
    """A program whose standard error is read, line by line; with `with`, it does not outlive the test."""

    def __init__(self, name, command, **more):
        self.name, self.said, self.news = name, [], queue.Queue()
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8", **more)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stderr:
            self.news.put(line)
        self.news.put(None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def log(self):
        return "".join(self.said)

    def until(self, pattern, times=1):
        """That match in the log, however old."""
        while len(found := list(re.finditer(pattern, self.log()))) < times:
            try:
                line = self.news.get(timeout=PATIENCE)
            except queue.Empty:
                line = None
            expect(line is not None, "%s never said %r (%d times)" % (self.name, pattern, times), self.log())
            self.said.append(line)
        return found[times - 1]


class Tambod(Talkative):
    """Starts when it is made; with `with`, it does not outlive the test. `command` may be another program with a server
    inside; its last argument is the ini."""

    def __init__(self, build, folder, text, command=None, **more):
        self.build, self.folder = build, folder
        file = os.path.join(folder, "tambo.ini")
        with open(file, "w", encoding="utf-8") as out:
            out.write(text)
        super().__init__("tambod", [*(command or [build + "/bin/tambod", "--config"]), file], stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, **more)

    def port(self, listener="c2s"):
        return int(self.until(r"listener %s on port (\d+)" % re.escape(listener)).group(1))

    def ctl(self, *words):
        done = subprocess.run([self.build + "/bin/tamboctl", "--socket", os.path.join(self.folder, "tambo.sock"), *words],
                              capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
        expect(done.returncode == 0, "tamboctl %s failed" % " ".join(words), done.stderr, self.log())
        return done.stdout

    def ask(self, *words, stdin=""):
        """Like ctl, whatever the exit code: that and both outputs."""
        done = subprocess.run([self.build + "/bin/tamboctl", "--socket", os.path.join(self.folder, "tambo.sock"), *words],
                              input=stdin, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
        return done.returncode, done.stdout, done.stderr

    def stop(self):
        """Asks it to, and gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            expect(False, "SIGTERM did not stop tambod", self.log())
        while (line := self.news.get(timeout=PATIENCE)) is not None:
            self.said.append(line)
        return code


class Wire:
    """One connection, with or without TLS, from the client's side."""

    def __init__(self, connected):
        self.socket = connected
        self.socket.settimeout(PATIENCE)

    @classmethod
    def to(cls, port):
        return cls(socket.create_connection(("127.0.0.1", port), PATIENCE))

    def send(self, text):
        self.socket.sendall(text.encode())

    def until(self, pattern):
        """What came up to a match of `pattern`."""
        came = ""
        while not re.search(pattern, came):
            try:
                more = self.socket.recv(65536).decode()
            except OSError as error:
                more, came = "", "%s (%s)" % (came, error)
            expect(more, "the stream ended or stands still before %r" % pattern, came)
            came += more
        return came

    def until_the_end(self):
        came = b""
        while more := self.socket.recv(65536):
            came += more
        return came.decode()

    def authenticate(self, user, password):
        """On an open connection that needs no further TLS (RFC 6120 §6); the stream that follows is open."""
        secret = base64.b64encode(("\0%s\0%s" % (user, password)).encode()).decode()
        self.send(HEADER + "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>" % secret)
        self.until("<success")
        self.send(HEADER)

    def log_in(self, user, password):
        """A bound session (RFC 6120 §7)."""
        self.authenticate(user, password)
        self.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        self.until("<jid>[^<]*</jid>")

    def ping(self, ident):
        self.send("<iq type='get' id='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % ident)
        answer = self.until("<iq[^>]* id=['\"]%s['\"][^>]*>" % ident)
        expect("type='result'" in answer, "a ping is answered", answer)
