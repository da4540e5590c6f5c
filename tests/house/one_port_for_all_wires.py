#!/usr/bin/python3
"""A listener of kind `any` takes what its first byte says: XML, TLS with XML in it, TLS with FunXMPP in it."""
import socket
import ssl
import tempfile

from tambod import PATIENCE, Tambod, Wire, arguments, expect, ini, server_section

CLASSIC = b"WA\x01\x05"
POLICY_VIOLATION = b"\xec\x51"   # a token of that dictionary
START = b"\xf8\x03\x01\xa5\xfc\x09localhost"   # <stream:stream to='localhost'>; man/funxmpp.md


def by_tls(port):
    anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anything.check_hostname, anything.verify_mode = False, ssl.CERT_NONE
    return anything.wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE), server_hostname="localhost")


def frames(connected, count):
    """The payloads of the first frames that come."""
    came, payloads = b"", []
    connected.settimeout(PATIENCE)
    while len(payloads) < count:
        while len(came) < 3 or len(came) < 3 + int.from_bytes(came[:3], "big"):
            more = connected.recv(65536)
            expect(more, "the stream ended or stands still", payloads, came)
            came += more
        length = int.from_bytes(came[:3], "big")
        payloads.append(came[3:3 + length])
        came = came[3 + length:]
    return payloads


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        text = ini({"server": server_section(build, plugins="store_memory, auth_store",
                                             modules="starttls, sasl, bind, ping, funxmpp"),
                    "listener c2s": {"kind": "any", "address": "127.0.0.1", "port": 0}})
        with Tambod(build, folder, text) as tambod:
            port = tambod.port()
            tambod.ctl("user", "add", "juliet@localhost", "verona")

            inside = Wire(by_tls(port))
            inside.log_in("juliet", "verona")
            inside.ping("by-tls")

            plain = Wire.to(port)
            plain.send("<stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
                       "xmlns:stream='http://etherx.jabber.org/streams'>")
            plain.until("<starttls ")

            opening = CLASSIC + len(START).to_bytes(3, "big") + START
            binary = by_tls(port)
            for i in range(len(opening)):   # whatever the pieces are
                binary.sendall(opening[i:i + 1])
            start, features = frames(binary, 2)
            expect(start[0] == 0xf8 and start[2] == 1, "a stream start", start.hex())
            expect(b"SCRAM-SHA-256" in features, "features with mechanisms", features)

            bare = socket.create_connection(("127.0.0.1", port), PATIENCE)
            bare.sendall(opening)
            _, error, end = frames(bare, 3)
            expect(POLICY_VIOLATION in error and b"not without TLS" in error, "nothing binary in the clear", error)
            expect(end == b"\xf8\x01\x02", "the stream's end", end.hex())
            expect(tambod.stop() == 0, "it stops with exit code 0", tambod.log())


main()
