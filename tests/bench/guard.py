#!/usr/bin/python3
"""Guards the stanza path: instructions for one message, counted by callgrind, against tests/bench/guard.json.

    tests/bench/guard.py build/release            compare; fails if they are 10 % more, or not counted for this compiler
    tests/bench/guard.py build/release --renew    write the figures that are true now

path_bench takes the same messages the same way each time, at one moment of one clock. Two runs of different length are
taken from each other, so nothing that is done once counts. Left out is what chooses its code by the processor (libc,
the loader, OpenSSL); how often memory is taken, which would be seen there, is compared by itself. What remains differs by
less than one percent between machines with the same compiler.
"""
import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FIGURES = os.path.join(HERE, "guard.json")
TOLERANCE = 0.10
SIZES = 2000, 6000
SKIPPED = 77   # for ctest
CHOOSES_BY_PROCESSOR = re.compile(r"^(libc|libm|libcrypto|libssl|ld-linux[^.]*|\?\?\?)(\.so|$)")
NAMED = 12     # functions shown
WORTH_NAMING = 20   # instructions per message


def object_name(path):
    """Modules run from copies that carry the process's number: NAME.PID-N.so."""
    return re.sub(r"\.\d+-\d+\.so$", ".so", os.path.basename(path))


def read_costs(path):
    """{(object, function): instructions} of a file that callgrind wrote without compressed names."""
    costs = collections.Counter()
    where, function, is_call = "", "", False
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("ob="):
                where = object_name(line[3:].rstrip("\n"))
            elif line.startswith("fn="):
                function = re.sub(r"'\d+$", "", line[3:].rstrip("\n"))   # a recursion's depth
            elif line.startswith("calls="):
                is_call = True   # the next line is what the callee cost
            elif line[0].isdigit() or line[0] in "+-*":
                if not is_call:
                    costs[where, function] += int(line.split()[1])
                is_call = False
    return costs


def run(build, messages, folder):
    """(costs, allocations per message)."""
    out = os.path.join(folder, f"{messages}.callgrind")
    command = ["valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=exchange*", "--dump-line=no",
               "--compress-strings=no", "--compress-pos=no", "--callgrind-out-file=" + out,
               os.path.join(build, "bin", "path_bench"), "--messages", str(messages)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode != 0:
        raise SystemExit("path_bench failed under valgrind:\n" + done.stdout[-1000:] + done.stderr[-2000:])
    return read_costs(out), float(re.search(r"([\d.]+) allocations", done.stdout).group(1))


def measure(build):
    with tempfile.TemporaryDirectory() as folder:
        (short, _), (long, allocations) = (run(build, size, folder) for size in SIZES)
    more = SIZES[1] - SIZES[0]
    each = {key: (long[key] - short[key]) / more for key in long}
    counted = {key: cost for key, cost in each.items() if not CHOOSES_BY_PROCESSOR.match(key[0])}
    functions = collections.Counter()
    for (where, function), cost in counted.items():
        functions[f"{where}: {function}"[:160]] += cost
    return {"compiler": compiler(build), "instructions": round(sum(counted.values())),
            "left_out": round(sum(each.values()) - sum(counted.values())), "allocations": allocations,
            "functions": {name: round(cost, 1) for name, cost in functions.most_common() if cost >= WORTH_NAMING}}


def compiler(build):
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as file:
        path = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.+)$", file.read(), re.M).group(1)
    return subprocess.run([path, "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()


def summary(figures):
    return (f"{figures['instructions']:,} instructions and {figures['allocations']} allocations a message "
            f"(left out: {figures['left_out']:,})")


def show_growth(old, new):
    names = set(old["functions"]) | set(new["functions"])
    grown = sorted(((new["functions"].get(name, 0) - old["functions"].get(name, 0), name) for name in names), reverse=True)
    print("what grew most, in instructions a message:")
    for more, name in grown[:NAMED]:
        if more > 0:
            print(f"  {more:+8.1f}  {name}")


def compare(old, new):
    if old["compiler"] != new["compiler"]:
        print(f"the figures are g++ {old['compiler']}'s, this is {new['compiler']}: nothing to compare")
        return SKIPPED
    change = new["instructions"] / old["instructions"] - 1
    more_memory = new["allocations"] > old["allocations"] * (1 + TOLERANCE) + 0.05
    print(f"was {summary(old)}\nnow {summary(new)}: {change:+.1%}")
    if change <= TOLERANCE and not more_memory:
        if change < -TOLERANCE:
            print("much less than the figure: keep that with tests/bench/guard.py build/release --renew")
        return 0
    show_growth(old, new)
    print("If it has to cost that: tests/bench/guard.py build/release --renew, and say why in the commit.")
    return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--renew", action="store_true")
    asked = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("valgrind is not installed")
        return SKIPPED
    new = measure(asked.build)
    if asked.renew:
        with open(FIGURES, "w", encoding="utf-8") as file:
            json.dump(new, file, indent=1)
            file.write("\n")
        print(summary(new))
        return 0
    with open(FIGURES, encoding="utf-8") as file:
        return compare(json.load(file), new)


sys.exit(main())
