#!/usr/bin/python3
"""A renewed certificate is served to those who come after `tamboctl refresh`; those who are there notice nothing."""
import os
import socket
import ssl
import subprocess
import tempfile

from tambod import PATIENCE, Tambod, Wire, arguments, expect, ini, server_section


def renew(folder):
    """A new certificate in place of the old one, as certbot would: each file written aside and moved. Gives its DER."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    "2", "-subj", "/CN=localhost", "-keyout", "key.new", "-out", "chain.new"],
                   cwd=folder, check=True, capture_output=True)
    for name in ("key", "chain"):
        os.rename("%s/%s.new" % (folder, name), "%s/%s.pem" % (folder, name))
    with open(folder + "/chain.pem", encoding="ascii") as chain:
        return ssl.PEM_cert_to_DER_cert(chain.read())


def connect(port):
    anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anything.check_hostname, anything.verify_mode = False, ssl.CERT_NONE
    return Wire(anything.wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE), server_hostname="localhost"))


def served(wire):
    return wire.socket.getpeercert(binary_form=True)


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        first = renew(folder)
        text = ini({"server": server_section(build, plugins="store_memory, auth_store", modules="sasl, bind, ping"),
                    "tls": {"certificate": "chain.pem", "key": "key.pem"},
                    "listener c2s": {"kind": "tls", "address": "127.0.0.1", "port": 0}})
        with Tambod(build, folder, text) as tambod:
            port = tambod.port()
            tambod.ctl("user", "add", "juliet@localhost", "verona")
            old = connect(port)
            expect(served(old) == first, "the configured certificate is served")
            old.log_in("juliet", "verona")

            second = renew(folder)
            tambod.ctl("refresh")
            expect(served(connect(port)) == second, "the renewed certificate is served", tambod.log())
            old.ping("still-there")

            with open(folder + "/chain.pem", "w", encoding="ascii") as chain:
                chain.write("the disk was full\n")
            tambod.ctl("refresh")
            expect(served(connect(port)) == second, "a broken file leaves the good certificate in place", tambod.log())
            tambod.until(r"(warning|error).*chain\.pem")
            old.ping("still-here")
            expect(tambod.stop() == 0, "it stops with exit code 0", tambod.log())


main()
