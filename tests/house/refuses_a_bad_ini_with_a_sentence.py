#!/usr/bin/python3
"""tambod --check FILE says what is wrong and where, and names what was probably meant; the ini that we ship is fine."""
import os
import re
import subprocess
import tempfile

from tambod import PATIENCE, arguments, expect

# Each case is a whole file. What is wrong stands in the line that ends with <-, and the sentence has to name it.
# MODULES is the build's, GARBAGE a folder with a file that is no module.
CASES = [
    ("an unknown key of the kernel", "did you mean domain?", """
[server]
domain = localhost
doman = example.org  ; <-
"""),
    ("an unknown key of a module", "did you mean conflict?", """
[server]
domain = localhost
plugins = store_memory, auth_store
modules = sasl, bind
module_path = MODULES
[module bind]
conflct = rename  ; <-
"""),
    ("an unknown section", "did you mean [limits]?", """
[server]
domain = localhost
[limit]  ; <-
depth = 3
"""),
    ("a section of a module that does not exist", "did you mean [module bind]?", """
[server]
domain = localhost
plugins = store_memory, auth_store
modules = sasl, bind
module_path = MODULES
[module bnid]  ; <-
conflict = rename
"""),
    ("a word for a number", "a whole number such as 10", """
[server]
domain = localhost
threads = many  ; <-
"""),
    ("a word for a duration", "a duration such as 5s", """
[server]
domain = localhost
[limits]
negotiation_time = soon  ; <-
"""),
    ("a word for a module's number", "a whole number such as 10", """
[server]
domain = localhost
plugins = store_memory, auth_store
modules = sasl, bind
module_path = MODULES
[module sasl]
iterations = fast  ; <-
"""),
    ("a number that its module does not like", "expected a number from 1 to", """
[server]
domain = localhost
plugins = store_memory, auth_store
modules = sasl, bind
module_path = MODULES
[module sasl]
iterations = 0  ; <-
"""),
    ("a word that its module does not know", "expected one of: replace, rename, refuse", """
[server]
domain = localhost
plugins = store_memory, auth_store
modules = sasl, bind
module_path = MODULES
[module bind]
conflict = renam  ; <-
"""),
    ("a key that has gone", '"durability" in [journal]', """
[server]
domain = localhost
data = data
plugins = store_sqlite, auth_store
module_path = MODULES
[module store_sqlite]
synchronous = full  ; <-
"""),
    ("a number for yes or no", "yes or no", """
[server]
domain = localhost
[listener c2s]
plaintext_auth = 2  ; <-
"""),
    ("a kind of listener that does not exist", "one of: starttls, tls", """
[server]
domain = localhost
[listener c2s]
kind = tsl  ; <-
"""),
    ("a module that does not exist", "bind", """
[server]
domain = localhost
plugins = store_memory, auth_store
module_path = MODULES
modules = sasl, bnid  ; <-
"""),
    ("a plugin that does not exist", "store_memory", """
[server]
domain = localhost
module_path = MODULES
plugins = store_memry, auth_store  ; <-
"""),
    ("a module file that is garbage", "not an ELF file", """
[server]
domain = localhost
module_path = GARBAGE
modules = garbage  ; <-
"""),
    ("a line that is neither section nor key", "[section] or key = value", """
[server]
domain = localhost
please be fast  ; <-
"""),
    ("a key that is set twice", "was set before, in line 3", """
[server]
domain = localhost
domain = example.org  ; <-
"""),
]


class Check:
    """tambod --check on files in one folder."""

    def __init__(self, build, folder):
        self.build, self.file = build, os.path.join(folder, "tambo.ini")
        self.garbage = os.path.join(folder, "garbage")
        os.mkdir(self.garbage)
        with open(os.path.join(self.garbage, "garbage.so"), "w", encoding="utf-8") as out:
            out.write("This was never a module.\n" * 100)

    def run(self, text):
        text = text.replace("MODULES", "%s/modules, %s/plugins" % (self.build, self.build))
        with open(self.file, "w", encoding="utf-8") as out:
            out.write(text.replace("GARBAGE", self.garbage))
        done = subprocess.run([self.build + "/bin/tambod", "--check", self.file], capture_output=True, encoding="utf-8",
                              timeout=PATIENCE, check=False)
        return done.returncode, done.stdout + done.stderr


def complaint(check, name, wanted, text):
    """Why this case is not judged as it should be, or None."""
    marked = [number for number, line in enumerate(text.split("\n"), 1) if line.endswith("; <-")]
    code, said = check.run(text.replace("  ; <-", ""))
    place = "%s:%d:" % (check.file, marked[0])
    lines = [line for line in said.split("\n") if place in line and wanted in line]
    if code == 1 and lines:
        return None
    return "%s: expected exit 1 and a line with %s and %s, got exit %d and: %s" % (name, place, wanted, code, said.strip())


def check_the_shipped_one(check, source):
    with open(source + "/etc/tambo.ini", encoding="utf-8") as shipped:
        text = shipped.read()
    text = re.sub(r"^; data = \S+.*$", "data = data", text, flags=re.M)
    text = re.sub(r"^; module_path =.*$", "module_path = MODULES", text, flags=re.M)
    expect("\ndata = data" in text and "\nmodule_path = " in text, "etc/tambo.ini has data and module_path")
    code, said = check.run(text)
    expect(code == 0, "etc/tambo.ini is fine", said)


def main():
    build, source = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder:
        check = Check(build, folder)
        check_the_shipped_one(check, source)
        wrong = [c for c in (complaint(check, *case) for case in CASES) if c]
        expect(not wrong, "each mistake is refused with a sentence", *wrong)


main()
