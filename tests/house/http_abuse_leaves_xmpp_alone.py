#!/usr/bin/python3
"""Whoever misuses the HTTP listener is refused or closed, and clients of XMPP do not notice."""
import contextlib
import resource
import socket
import tempfile

from tambod import PATIENCE, Tambod, Wire, arguments, expect
from web import get, sections

HEAD = "Host: localhost\r\nConnection: close\r\n"


def say(port, data):
    """All that comes back, also when the server closes over what is still being sent."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as wire:
        came = b""
        with contextlib.suppress(ConnectionError):
            wire.sendall(data if isinstance(data, bytes) else data.encode())
        with contextlib.suppress(ConnectionError):
            while more := wire.recv(65536):
                came += more
    return came.decode()


def status_is(port, status, what, data):
    came = say(port, data)
    expect(came.startswith("HTTP/1.1 %d " % status), "%s: %d" % (what, status), came[:500])


def bad_requests(port):
    status_is(port, 431, "a huge header", "GET / HTTP/1.1\r\n" + HEAD + "X: " + "x" * 1000000 + "\r\n\r\n")
    status_is(port, 431, "headers without end", "GET / HTTP/1.1\r\n" + HEAD + "X: y\r\n" * 100000 + "\r\n")
    status_is(port, 431, "a huge path", "GET /" + "x" * 1000000 + " HTTP/1.1\r\n" + HEAD + "\r\n")
    status_is(port, 413, "a huge body", "POST / HTTP/1.1\r\n" + HEAD + "Content-Length: 3000000\r\n\r\n" + "x" * 3000000)
    status_is(port, 413, "the promise of one", "POST / HTTP/1.1\r\n" + HEAD + "Content-Length: 99999999999\r\n\r\n")
    status_is(port, 413, "a huge chunk", "POST / HTTP/1.1\r\n" + HEAD + "Transfer-Encoding: chunked\r\n\r\nfffff\r\n" + "x" * 0xfffff)
    status_is(port, 501, "a bad method", "BREW / HTTP/1.1\r\n" + HEAD + "\r\n")
    status_is(port, 405, "a method that is not for this page", "DELETE /metrics HTTP/1.1\r\n" + HEAD + "\r\n")
    status_is(port, 404, "an unknown path", "GET /nothing HTTP/1.1\r\n" + HEAD + "\r\n")
    status_is(port, 421, "somebody else's name", "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    status_is(port, 403, "somebody else's page", "GET / HTTP/1.1\r\nOrigin: https://evil.example\r\n" + HEAD + "\r\n")
    status_is(port, 400, "XMPP on the wrong port", "<?xml version='1.0'?>\r\n<stream:stream to='localhost'>\r\n\r\n")
    status_is(port, 400, "binary garbage", bytes(range(256)) * 16 + b"\r\n\r\n")


def pipeline(port):
    many = 300
    replies = say(port, "GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n" * (many - 1) + "GET /status HTTP/1.1\r\n" + HEAD + "\r\n")
    expect(replies.count("HTTP/1.1 200 OK\r\n") == many, "each of %d requests in one piece is answered" % many,
           replies.count("HTTP/1.1 200 OK\r\n"))


@contextlib.contextmanager
def crowd(port):
    """A thousand connections, all open at a time, some of which begin to say something. In the end each was closed."""
    with contextlib.ExitStack() as open_ones:
        wires = [open_ones.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE)) for _ in range(1000)]
        for wire in wires[::2]:
            with contextlib.suppress(ConnectionError):
                wire.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        yield
        for wire in wires:   # one too many at once, the others when their time is over
            with contextlib.suppress(ConnectionError):
                expect(wire.recv(1) == b"", "who sends no request is closed")


def main():
    build, _ = arguments()
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder, \
            Tambod(build, folder, sections(build, deadline="3s")) as tambod:
        port, xmpp = tambod.port("http"), tambod.port()
        tambod.ctl("user", "add", "juliet@localhost", "secret")
        juliet = Wire.to(xmpp)
        juliet.log_in("juliet", "secret")
        bad_requests(port)
        juliet.ping("after-bad-requests")
        pipeline(port)
        juliet.ping("after-pipeline")
        for round_ in range(3):
            with crowd(port):
                juliet.ping("beside-crowd-%d" % round_)
                romeo = Wire.to(xmpp)   # newcomers are served as well
                romeo.log_in("juliet", "secret")
                romeo.ping("newcomer")
        status, _, page = get(port, "/status")
        expect(status == 200 and "<title>tambo</title>" in page, "the page is there again", status)
        juliet.ping("at-the-end")
        expect(tambod.stop() == 0, "the server ends in order", tambod.log())
        expect("fault" not in tambod.log(), "no module was at fault", tambod.log())


main()
