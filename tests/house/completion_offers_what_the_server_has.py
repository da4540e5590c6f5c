#!/usr/bin/python3
"""bash completes tamboctl's commands, and modules and accounts of the server that runs."""
import os
import subprocess
import tempfile

from tambod import PATIENCE, Tambod, arguments, expect, ini, server_section

SCRIPT = """
source "$1/contrib/completion/tamboctl"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_tamboctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


class Shell:
    def __init__(self, build, source, folder):
        self.source = source
        self.start = [build + "/bin/tamboctl", "--socket", os.path.join(folder, "tambo.sock")]

    def offers(self, *words):
        done = subprocess.run(["bash", "-c", SCRIPT, "bash", self.source, *self.start, *words], capture_output=True,
                              encoding="utf-8", timeout=PATIENCE, check=False)
        expect(not done.stderr, "completion is quiet", done.stderr)
        return done.stdout.split()


def main():
    build, source = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        text = ini({"server": server_section(build, plugins="store_memory, auth_store", modules="sasl, bind, ping"),
                    "listener c2s": {"address": "127.0.0.1", "port": 0}})
        shell = Shell(build, source, folder)
        with Tambod(build, folder, text) as tambod:
            tambod.port()
            tambod.ctl("user", "add", "juliet@localhost", "verona")
            for words, wanted in [(["sta"], ["stats", "status"]), (["relo"], ["reload", "reload-config"]),
                                  (["user", "e"], ["erase", "export"]), (["log", ""], ["level"]),
                                  (["log", "level", "w"], ["warning"]), (["reload", "bi"], ["bind"]),
                                  (["unload", "s"], ["sasl", "store_memory"]),
                                  (["user", "erase", "j"], ["juliet@localhost"]), (["--json", "kick", ""], ["juliet@localhost"])]:
                found = sorted(shell.offers(*words))
                expect(found == wanted, "%s goes on with %s" % (words, wanted), found)
        expect("check" in shell.offers("ch"), "without a server it knows what needs none")


main()
