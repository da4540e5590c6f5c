#!/usr/bin/python3
"""The build, installed to a prefix of its own, is all that outside/ needs to be built and to work."""
import os
import subprocess
import tempfile

from tambod import arguments, expect


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
    expect(ends(files(prefix), "bin/tambod", "bin/tamboctl", "include/tambo/tambo.hpp", "tambo/modules/sasl.so",
                "tambo/plugins/store_sqlite.so", "pkgconfig/tambo.pc", "man8/tambod.8", "tambo/tambo.ini",
                "system/tambo.service"), "all parts are installed", *sorted(files(prefix)))
    return prefix


def main():
    build, source = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        prefix = install(build, folder + "/stage")
        expect("tambod" in run(prefix + "/bin/tambod", "--version"), "tambod finds its library")
        out = folder + "/outside"
        run("cmake", "-S", source + "/tests/house/outside", "-B", out, "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
            "-DCMAKE_PREFIX_PATH=" + prefix)
        run("cmake", "--build", out)
        said = run(out + "/verona", out)
        expect("Good morrow, juliet" in said, "the module outside answers", said)


main()
