#!/usr/bin/python3
"""Every module and plugin of the build exports tambo_module and nothing else (man 7 tambo-modules)."""
import glob
import os
import subprocess

from tambod import arguments, expect


def exported(file):
    listed = subprocess.run(["nm", "-D", "--defined-only", "--format=posix", file], capture_output=True, encoding="utf-8",
                            check=True).stdout
    return sorted(line.split()[0] for line in listed.splitlines())


def main():
    build, source = arguments()
    for kind in ("modules", "plugins"):
        # A folder with headers (modules/shared) or a library (modules/funxmpp) only is none.
        sources = {os.path.basename(os.path.dirname(file)) for file in glob.glob("%s/%s/*/*.cpp" % (source, kind))
                   if "TAMBO_MODULE(" in open(file, encoding="utf-8").read()}
        built = {os.path.splitext(os.path.basename(file))[0] for file in glob.glob("%s/%s/*.so" % (build, kind))}
        expect(sources and sources <= built, "every folder of %s with sources is built" % kind, sources - built)
        for name in sorted(built):
            symbols = exported("%s/%s/%s.so" % (build, kind, name))
            expect(symbols == ["tambo_module"], "%s/%s.so exports tambo_module only" % (kind, name), symbols)


main()
