"""For tests in which tambod dies: what makes it die, and what it left."""
import os
import re

from tambod import Wire, expect, ini, server_section


def environment():
    """Sanitizers report a crash and exit; here they shall die of it as well. TSan exits even so, unless it keeps out.
    Nor is it a report that anybody should find."""
    wishes = {"ASAN_OPTIONS": "abort_on_error=1:log_path=stderr", "UBSAN_OPTIONS": "abort_on_error=1:log_path=stderr",
              "TSAN_OPTIONS": "abort_on_error=1:handle_segv=0:handle_sigbus=0:handle_abort=0"}
    return {**os.environ, **{name: ":".join(filter(None, [os.environ.get(name), wish])) for name, wish in wishes.items()}}


def configuration(build, modules="sasl, bind, ping, crasher", door="", **kernel):
    return ini({"server": server_section(build, threads=1, plugins="store_sqlite, auth_store", modules=modules,
                                         module_path="%s/modules, %s/plugins, %s/house" % (build, build, build)),
                "kernel": kernel,
                "listener c2s": {"address": "127.0.0.1", "port": 0, "plaintext_auth": "true"},
                "module crasher": {"door": door} if door else {}})


def crash(server, port, way):
    """Romeo says the word, and his connection ends."""
    romeo = Wire.to(port)
    romeo.log_in("romeo", "secret")
    romeo.send("<message to='romeo@localhost'><body>%s</body></message>" % way)
    try:
        romeo.until_the_end()
    except ConnectionResetError:
        pass


def notes(folder):
    with open(os.path.join(folder, "data", "crash-notes"), encoding="utf-8") as file:
        return file.read()


def expect_note(folder, words):
    """Of the latest death."""
    deaths = [line for line in notes(folder).splitlines() if " died " in line]
    expect(deaths and re.fullmatch(r"\d+ died %s" % words, deaths[-1]), "the note says %r" % words, notes(folder))
