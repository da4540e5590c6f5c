"""What tests of the HTTP listener need: requests, and a tambod that answers them."""
import http.client
import json

from tambod import PATIENCE, ini, server_section


def sections(build, **http_options):
    """A server with clients on the plain port and HTTP on any."""
    return ini({"server": server_section(build, plugins="store_memory, auth_store",
                                         modules="sasl, bind, roster, presence, ping, receipts, disco, metrics, status, funxmpp"),
                "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "yes"},
                "http": {"listen": "127.0.0.1:0", **http_options}})


def get(port, path, method="GET", **headers):
    """Status, headers and body of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, headers=headers)
        reply = connection.getresponse()
        return reply.status, dict(reply.getheaders()), reply.read().decode()
    finally:
        connection.close()


def stats(tambod):
    return json.loads(tambod.ctl("stats", "--json"))
