#!/usr/bin/python3
"""Every man page is as mandoc wants it, and tambo.ini(5) is what the ini's comments say."""
import glob
import os
import shutil
import subprocess

from tambod import PATIENCE, SKIPPED, arguments, expect


def main():
    build, source = arguments()
    if shutil.which("mandoc") is None:
        raise SystemExit(SKIPPED)
    pages = sorted(glob.glob(source + "/man/*.[1-8]"))
    expect(len(pages) >= 5, "the pages are where they are looked for", pages)
    lint = subprocess.run(["mandoc", "-Tlint", "-W", "warning", *pages], capture_output=True, encoding="utf-8",
                          timeout=PATIENCE, check=False)
    expect(lint.returncode == 0, "mandoc has nothing to say", lint.stdout, lint.stderr)
    manual = subprocess.run([source + "/contrib/ini-manual", "--check"], capture_output=True, encoding="utf-8",
                            timeout=PATIENCE, check=False, cwd=source)
    expect(manual.returncode == 0, "tambo.ini(5) is up to date", manual.stdout, manual.stderr)
    check_commands(build, source)


def check_commands(build, source):
    """What `tamboctl help` lists stands in tamboctl(1): each verb of the server's table."""
    with open(source + "/man/tamboctl.1", encoding="utf-8") as page:
        described = page.read()
    with open(source + "/kernel/server/commands.cpp", encoding="utf-8") as text:
        table = text.read().split("constexpr std::array verbs", 1)[1].split("};\n\n", 1)[0]
    verbs = [line.split('"')[1] for line in table.split("\n") if line.strip().startswith("Verb{")]
    expect(len(verbs) > 20, "the table of commands is where it is looked for", verbs)
    missing = [verb for verb in verbs if verb != "sample" and ".It Cm " + verb not in described]
    expect(not missing, "tamboctl(1) describes every command", *missing)
    expect(os.path.exists(build + "/bin/tamboctl"), "tamboctl is built")


main()
