#!/usr/bin/python3
"""The kernel speaks RFC 6120's streams and stanzas; whatever has a namespace of its own belongs to a module."""
import os
import re

from tambod import arguments, expect

FOREIGN = re.compile(r"urn:xmpp:|jabber:iq:|jabber:x:|http://jabber\.org/|vcard-temp|storage:|"
                     r"urn:ietf:params:xml:ns:xmpp-(sasl|bind|session|tls)")
# A string ends a comment's reach and a comment a string's, whichever comes first.
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"', re.S)


def without_comments(text):
    def keep(match):
        found = match.group(0)
        return "\n" * found.count("\n") if found.startswith("/") else found
    return COMMENT_OR_STRING.sub(keep, text)


def sources(folder):
    for path, _, files in os.walk(folder):
        for file in files:
            if file.endswith((".cpp", ".hpp")):
                yield os.path.join(path, file)


def main():
    _, source = arguments()
    files, found = 0, []
    for file in sources(os.path.join(source, "kernel")):
        files += 1
        with open(file, encoding="utf-8") as text:
            for number, line in enumerate(without_comments(text.read()).split("\n"), 1):
                if FOREIGN.search(line):
                    found.append("%s:%d: %s" % (file, number, line.strip()))
    expect(files > 50, "the kernel's sources are where they are looked for", files)
    expect(not found, "no namespace in the kernel but RFC 6120's own", *found)


main()
