#!/usr/bin/python3
"""libtambo and all modules in one program: under 5 MB stripped, OpenSSL, ICU and other people's libraries aside."""
import os
import subprocess
import tempfile

from tambod import PATIENCE, arguments, expect

MOST = 5_000_000   # bytes


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        small = folder + "/all_in_one"
        subprocess.run(["strip", "-o", small, build + "/bin/all_in_one"], check=True)
        size = os.path.getsize(small)
        print("%d bytes" % size)
        expect(size < MOST, "it is small", size)
        done = subprocess.run([small, folder], capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)
        expect(done.returncode == 0, "two people chat in it", done.stdout, done.stderr)
        print(done.stdout)


main()
