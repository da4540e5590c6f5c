#!/usr/bin/python3
"""The build, installed to a prefix of its own, is all that outside/ and a module made from the template need to be built and
to work; and the template's walk-through is true: swapped while a client watches, the count goes on."""
import json
import os
import re
import subprocess
import tempfile
import time

from tambod import Tambod, arguments, expect


def run(*command, **more):
    """What it said, all in one; the test ends here if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False, **more)
    expect(done.returncode == 0, " ".join(command), done.stdout)
    return done.stdout


def files(folder):
    return {os.path.relpath(os.path.join(path, file), folder) for path, _, found in os.walk(folder) for file in found}


def ends(names, *wanted):
    return all(any(name.endswith(end) for name in names) for end in wanted)


def install(build, stage):
    """DESTDIR holds what would miss the prefix. Gives the prefix as it is on this disk."""
    run("cmake", "--install", build, "--prefix", "/opt/tambo", env={**os.environ, "DESTDIR": stage})
    astray = [file for file in files(stage) if not file.startswith("opt/tambo/")]
    expect(not astray, "nothing is installed outside the prefix", *astray)
    prefix = stage + "/opt/tambo"
    expect(ends(files(prefix), "bin/tambod", "bin/tamboctl", "bin/tambo-play", "bin/funxmpp-cli",
                "bin/funxmpp-proxy", "man1/funxmpp-cli.1", "man1/funxmpp-proxy.1", "include/tambo/tambo.hpp", "tambo/modules/sasl.so",
                "tambo/plugins/store_sqlite.so", "pkgconfig/tambo.pc", "man8/tambod.8", "tambo/tambo.ini",
                "system/tambo.service", "man1/tambo-play.1", "tambo/module-template/greeter.cpp"), "all parts are installed", *sorted(files(prefix)))
    knows_its_prefix(prefix)
    speaks_funxmpp(prefix)
    return prefix


def speaks_funxmpp(prefix):
    said = run(prefix + "/bin/funxmpp-cli", "decode", "--dialect", "classic", input="f80359a5fc03614062\n")
    expect(json.loads(said)["tag"] == "message", "funxmpp-cli works where it is installed", said)
    said = subprocess.run([prefix + "/bin/funxmpp-proxy"], capture_output=True, encoding="utf-8", check=False)
    expect(said.returncode == 2 and "usage" in said.stderr + said.stdout, "so does funxmpp-proxy", said)


def knows_its_prefix(prefix):
    """Whatever was configured: the unit names where it goes, tambo.pc where it lies."""
    with open(prefix + "/lib/systemd/system/tambo.service", encoding="utf-8") as file:
        unit = file.read()
    expect("ExecStart=/opt/tambo/bin/tambod --config /opt/tambo/etc/tambo/tambo.ini\n" in unit, "the unit's paths", unit)
    flags = run("pkg-config", "--cflags-only-I", "tambo",
                env={**os.environ, "PKG_CONFIG_PATH": os.path.dirname(find(prefix, "tambo.pc"))})
    folder = os.path.realpath(flags.split("-I")[1].strip())
    expect(os.path.exists(folder + "/tambo/server.hpp"), "tambo.pc finds the headers", flags)


def find(folder, name):
    return next(os.path.join(folder, file) for file in files(folder) if os.path.basename(file) == name)


def builds_a_program_and_its_module(prefix, source, out):
    run("cmake", "-S", source + "/tests/house/outside", "-B", out, "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
        "-DCMAKE_PREFIX_PATH=" + prefix, "-DEXAMPLES=" + source + "/contrib/examples")
    run("cmake", "--build", out)
    said = run(out + "/verona", out)
    expect("Good morrow, juliet" in said, "the module outside answers", said)
    said = run(out + "/embed")
    expect("Juliet hears: But soft" in said, "the example of tambo-embed(3) works outside", said)


def refuses_to_make(prefix, folder, code, *words):
    before = files(folder)
    done = subprocess.run([prefix + "/bin/tamboctl", "new-module", *words], cwd=folder, capture_output=True, encoding="utf-8",
                          check=False)
    expect(done.returncode == code and done.stderr, "new-module refuses %s" % (words,), done)
    expect(files(folder) == before, "and makes nothing", files(folder))


def makes_a_module(prefix, folder):
    """Builds and tests it as its README says; gives where it is."""
    os.mkdir(folder)
    for words in ((), ("9lives",), ("Hello",), ("hello-world",), ("../hello",), ("h" * 100,), ("hello", "there", "too")):
        refuses_to_make(prefix, folder, 2, *words)
    said = run(prefix + "/bin/tamboctl", "new-module", "hello_world", cwd=folder)
    commands = [line.strip() for line in said.splitlines() if line.startswith("  ")]
    expect(len(commands) == 3, "it says the next three commands", said)
    refuses_to_make(prefix, folder, 1, "hello_world")
    refuses_to_make(prefix, folder, 1, "another", "hello_world")
    home = folder + "/hello_world"
    for name in files(home):
        with open(os.path.join(home, name), encoding="utf-8") as file:
            text = name + file.read()
        expect("greeter" not in text.lower(), "nothing tells of the template in " + name, text)
    replace(home + "/tambo.ini", "port = 5222", "port = 0")
    run("sh", "-ec", "\n".join(commands), cwd=folder, env={**os.environ, "CMAKE_PREFIX_PATH": prefix})
    return home


def replace(name, what, by):
    with open(name, encoding="utf-8") as file:
        text = file.read()
    expect(what in text, "%s has %r" % (name, what), text)
    with open(name, "w", encoding="utf-8") as file:
        file.write(text.replace(what, by))


def is_swapped_while_a_client_watches(prefix, home):
    with open(home + "/build/tambo.ini", encoding="utf-8") as file:
        text = file.read()
    with Tambod(prefix, home + "/build", text) as tambod:
        port = tambod.port()
        tambod.ctl("user", "add", "romeo@localhost", "secret")
        with subprocess.Popen([home + "/watch", str(port)], stdout=subprocess.PIPE, encoding="utf-8") as watch:
            try:
                expect(watch.stdout.readline() == "1: Good morrow, romeo\n", "the client sees the first greeting")
                replace(home + "/hello_world.cpp", '*words_ + ", "', '*words_ + ", dear "')
                start = time.monotonic()
                run("cmake", "--build", home + "/build")
                built = time.monotonic()
                tambod.until(r"watch: hello_world reloaded, generation \d+")   # without a word from us
                print("built in %.2f s, live %.2f s later" % (built - start, time.monotonic() - built))
                seen = ["1: Good morrow, romeo\n"]
                while "dear" not in seen[-1]:
                    seen.append(watch.stdout.readline())
                    found = re.fullmatch(r"(\d+): Good morrow, (dear )?romeo\n", seen[-1])
                    expect(found and int(found.group(1)) == len(seen), "the count goes on over the swap", *seen)
            finally:
                watch.kill()
        said = tambod.ctl("reload", "hello_world")
        expect("old code is gone from memory" in said, "a version lives alone", said)
        said = tambod.ctl("hello_world", "name", "romeo@localhost")
        expect(said == "romeo\n", "its command is the operator's, too", said)


def main():
    build, source = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        prefix = install(build, folder + "/stage")
        expect("tambod" in run(prefix + "/bin/tambod", "--version"), "tambod finds its library")
        builds_a_program_and_its_module(prefix, source, folder + "/outside")
        is_swapped_while_a_client_watches(prefix, makes_a_module(prefix, folder + "/inside"))


main()
