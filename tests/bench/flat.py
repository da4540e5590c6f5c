#!/usr/bin/python3
"""What one operation of `million` does, whatever the machine: instructions, and lines of cold memory.

    tests/bench/flat.py build/release [SESSIONS …]     1000 and 20000 if none are said; 20000 take three minutes

callgrind counts them between a write and a read, of looking somebody up, of a message and of a presence, with users drawn
at random. Its cache is as small as a core's own (--cache, 2 MiB), so that whatever a sleeping session owns is cold in it:
its misses are the lines of memory that an operation touches there, for reading and for writing. Both ends of the pipe are
in it.

Instructions don't grow but for one step: a shard remembers some thousand addresses, and reads those of more users than
that anew.
"""
import argparse
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile

OPERATIONS = 2000
KINDS = "look_up", "message", "presence"
TIMED = re.compile(r"timed<.*Crowd::(\w+)\(")


def read_costs(path):
    """{kind: {event: count}}: what the function that is timed cost, with all that it called."""
    costs, events, kind = collections.defaultdict(collections.Counter), [], None
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("events:"):
                events = line.split()[1:]
            elif line.startswith("fn="):
                found = TIMED.search(line)
                kind = found.group(1) if found else None
            elif kind and (line[0].isdigit() or line[0] in "+-*"):   # its own, and behind "calls=" its callees'
                for event, count in zip(events, line.split()[1:]):
                    costs[kind][event] += int(count)
    return costs


def run(build, sessions, cache_bytes):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "million.callgrind")
        command = ["valgrind", "--tool=callgrind", "--cache-sim=yes", f"--LL={cache_bytes},16,64", "--collect-atstart=no",
                   "--toggle-collect=*Crowd*timed<*", "--compress-strings=no", "--compress-pos=no",
                   "--callgrind-out-file=" + out,
                   os.path.join(build, "bin", "million"), "--sizes", str(sessions), "--operations", str(OPERATIONS)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=7200, check=False)
        if done.returncode != 0:
            raise SystemExit("million failed under valgrind:\n" + done.stdout[-1000:] + done.stderr[-2000:])
        return read_costs(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("sessions", nargs="*", type=int, default=[1000, 20000])
    parser.add_argument("--cache", type=int, default=2 << 20, help="bytes of the cache, a power of two")
    asked = parser.parse_args()
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is not installed")
    print("| sessions | operation | instructions | cold lines read | … written |\n|---|---|---|---|---|")
    for sessions in asked.sessions:
        costs = run(asked.build, sessions, asked.cache)
        for kind in KINDS:
            each = {event: count / OPERATIONS for event, count in costs[kind].items()}
            print(f"| {sessions:,} | {kind.replace('_', '-')} | {each['Ir']:,.0f} | {each['DLmr']:.0f} | {each['DLmw']:.0f} |",
                  flush=True)


if __name__ == "__main__":
    sys.exit(main())
