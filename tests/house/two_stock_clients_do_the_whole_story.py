#!/usr/bin/python3
"""slixmpp and Profanity live a day through the server (contrib/demo), which contrib/serve starts and stops."""
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile

from tambod import SKIPPED, arguments, expect

BELOW_EPHEMERAL_PORTS = range(100, 300)   # hundreds: serve takes +22, +23 and reserves others of the hundred
ATTEMPTS = 5                              # at a hundred that nobody else takes in the same moment


def missing():
    tools = [tool for tool in ("profanity", "tmux", "openssl") if not shutil.which(tool)]
    has_slixmpp = subprocess.run(["/usr/bin/python3", "-c", "import slixmpp"], capture_output=True, check=False)
    return tools + (["slixmpp"] if has_slixmpp.returncode else [])


def is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def start(serve, folder, env):
    """The port on which it serves."""
    for _ in range(ATTEMPTS):
        base = random.choice(BELOW_EPHEMERAL_PORTS) * 100
        if not all(is_free(base + port) for port in (22, 23, 80)):
            continue
        with open(folder + "/start", "w+", encoding="utf-8") as said:   # a pipe would stay open as long as the server
            code = subprocess.run([serve, "start", folder, "localhost", str(base)], stdout=said, stderr=said, env=env,
                                  check=False).returncode
            said.seek(0)
            last = said.read()
        if code == 0:
            return base + 22
        subprocess.run([serve, "stop", folder], env=env, check=True)
    sys.exit("serve did not start: " + last)


def read(file):
    with open(file, encoding="utf-8", errors="replace") as text:
        return text.read()


def main():
    build, source = arguments()
    if missing():
        print("not installed: " + ", ".join(missing()))
        sys.exit(SKIPPED)
    env = {**os.environ, "TAMBO_BUILD": build, "USERS": "juliet romeo", "PASSWORD": "verona"}
    serve = source + "/contrib/serve"
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        port = start(serve, folder, env)
        try:
            told = subprocess.run([source + "/contrib/demo", "127.0.0.1", str(port), "localhost", "--ca",
                                   folder + "/certs/ca.pem", "--show"], capture_output=True, encoding="utf-8", check=False)
        finally:
            subprocess.run([serve, "stop", folder], env=env, check=True)
        log = read(folder + "/tambo.log")
        expect(told.returncode == 0 and re.search(r"All \d+ steps done", told.stdout), "the story came to its end",
               told.stdout, told.stderr, log[-4000:])
        expect("everything accepted is kept" in log, "the server ended in order", log[-4000:])
        unexpected = read(folder + "/out.log")
        expect("Sanitizer" not in unexpected, "no sanitizer complained", unexpected)


main()
