#!/usr/bin/python3
"""contrib/lint-module finds what would make a module bad, and each finding says how to mend it (man 7 tambo-modules)."""
import os
import subprocess
import tempfile

from tambod import arguments, expect

ENTRY = 'extern "C" __attribute__((visibility("default"))) const void* tambo_module() { return "%s"; }\n'
FLAGS = ["-shared", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique"]

# Made here: name, flags instead of or besides the usual ones, source, what lint-module has to say of it.
MADE = [
    ("rpath", ["-Wl,-rpath,/home/romeo/lib"], "", "/home/romeo/lib", "BUILD_WITH_INSTALL_RPATH"),
    ("two_exports", [], 'extern "C" __attribute__((visibility("default"))) void another() {}', "(another)", "module.map"),
    ("thread_local_number", [], "thread_local int n = 1; int* where() { return &n; }", "thread_local", "member"),
    ("text_relocations", ["-fno-PIC", "-mcmodel=large", "-Wl,-z,notext"], "", "text relocations", "-fPIC"),
    ("soname", ["-Wl,-soname,me.so"], "", "SONAME", "drop -Wl,-soname"),
    ("nodelete", ["-Wl,-z,nodelete"], "", "NODELETE", "drop -Wl,-z,nodelete"),
    ("at_quick_exit", [], "#include <cstdlib>\nstruct A { A() { at_quick_exit([] {}); } } a;", "quick_exit", "destructor"),
    ("on_exit", [], "#include <cstdlib>\nstruct A { A() { on_exit([](int, void*) {}, nullptr); } } a;", "on_exit", "destructor"),
    ("thread_key", [], "#include <pthread.h>\nstruct A { A() { pthread_key_t k; pthread_key_create(&k, [](void*) {}); } } a;",
     "pthread_key_create", "destructor"),
    ("signals", [], "#include <csignal>\nstruct A { A() { std::signal(SIGHUP, SIG_IGN); } } a;", "signal()", "drop the handler"),
    ("thread", [], "#include <thread>\nstruct A { A() { std::thread{[] {}}.detach(); } } a;", "starts a thread", "offload"),
]

# Made with the tests of swapping (tests/reload).
VILLAINS = [
    ("unique_pinned", "unique symbols", "-fno-gnu-unique"),
    ("thread_pinned", "thread_local with a destructor", "member"),
    ("no_entry", "no tambo_module()", "TAMBO_MODULE("),
    ("harmless", "not linked with libtambo", "tambo::tambo"),
    ("wrong_abi", "tambo-0 tcc-0.9 cxx98", "build it anew"),
]


class Lint:
    def __init__(self, build, source):
        self.command = [source + "/contrib/lint-module", "--for", build + "/lib/libtambo.so"]

    def says(self, file):
        done = subprocess.run([*self.command, file], capture_output=True, encoding="utf-8", check=False)
        expect((done.returncode == 0) == (done.stderr == ""), "the exit code says what the text says", file, done)
        return done.stderr

    def complains(self, file, what, remedy):
        said = [line.removeprefix(file + ": ") for line in self.says(file).splitlines()]
        lines = [line for line in said if what in line]
        expect(len(lines) == 1, "one complaint about %s, of %r" % (os.path.basename(file), what), *said)
        expect(remedy in lines[0], "it says what to do: %r" % remedy, lines[0])


def compile_bad_one(folder, name, flags, source):
    file = os.path.join(folder, name)
    with open(file + ".cpp", "w", encoding="utf-8") as out:
        out.write(source + "\n" + ENTRY % name)
    subprocess.run(["c++", *FLAGS, *flags, file + ".cpp", "-o", file + ".so"], stderr=subprocess.DEVNULL, check=True)
    return file + ".so"


def main():
    build, source = arguments()
    lint = Lint(build, source)
    for good in ("ping", "roster", "sasl"):
        said = lint.says("%s/modules/%s.so" % (build, good))
        expect(not said, "%s is a good module" % good, said)
    for name, what, remedy in VILLAINS:
        lint.complains("%s/villains/%s.so" % (build, name), what, remedy)
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        for name, flags, text, what, remedy in MADE:
            lint.complains(compile_bad_one(folder, name, flags, text), what, remedy)
        half = os.path.join(folder, "half.so")
        with open("%s/modules/ping.so" % build, "rb") as whole, open(half, "wb") as out:
            out.write(whole.read(200))
        lint.complains(half, "is not a shared object", "is the file complete?")


main()
