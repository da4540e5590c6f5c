#!/usr/bin/python3
"""The same story as in two_stock_clients_do_the_whole_story, with Profanity behind funxmpp-proxy: it speaks XML to this
machine, and FunXMPP over TLS to the server. contrib/quickstart run --demo --funxmpp shows the same."""
import os
import re
import shutil
import subprocess
import sys

from tambod import SKIPPED, arguments, expect


def missing():
    tools = [tool for tool in ("profanity", "tmux", "openssl") if not shutil.which(tool)]
    has_slixmpp = subprocess.run(["/usr/bin/python3", "-c", "import slixmpp"], capture_output=True, check=False)
    return tools + (["slixmpp"] if has_slixmpp.returncode else [])


def main():
    build, source = arguments()
    if missing():
        print("not installed: " + ", ".join(missing()))
        sys.exit(SKIPPED)
    told = subprocess.run([source + "/contrib/demo-funxmpp", build], capture_output=True, encoding="utf-8", check=False,
                          env={**os.environ, "LANG": "C.UTF-8"})
    expect(told.returncode == 0, "the story came to its end", told.stdout, told.stderr)
    for line in (r"All \d+ steps done", r"in: +\d+ bytes, XML would have been \d+", r"this connection: in \d+ bytes"):
        expect(re.search(line, told.stdout), "it says %r" % line, told.stdout)
    expect("resumed" not in told.stdout, "the link held", told.stdout)


main()
