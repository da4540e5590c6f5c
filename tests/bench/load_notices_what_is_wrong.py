#!/usr/bin/python3
"""The load generator counts what a relay loses, repeats or reorders, and nothing where it doesn't."""
import json
import os
import socket
import subprocess
import sys
import time

LOAD = os.path.join(sys.argv[1], "bin", "bench-load")
PATIENCE = 60
FAULTS = {"": (), "drop": ("lost",), "repeat": ("repeated",), "swap": ("reordered",)}


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


def wait_for(port):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", int(port))) == 0:
                return
    raise SystemExit("the relay doesn't listen")


def talk(fault):
    port = free_port()
    spoil = ["--fault", fault, "--fault-every", "100"] if fault else []
    relay = subprocess.Popen([LOAD, "relay", "--port", port, *spoil])
    try:
        wait_for(port)
        done = subprocess.run([LOAD, "chat", "--mode", "rate", "--rate", "2000", "--pairs", "5", "--warm-up", "0", "--time", "1",
                               "--drain", "1", "--port", port], capture_output=True, text=True, timeout=PATIENCE, check=True)
        return json.loads(done.stdout)
    finally:
        relay.terminate()
        relay.wait()


def main():
    for fault, counted in FAULTS.items():
        found = talk(fault)
        for kind in ("lost", "repeated", "reordered"):
            # A message that waits for its successor is lost if there is none.
            may = kind in counted or (fault == "swap" and kind == "lost" and found[kind] <= 5)
            if (found[kind] > 0) != (kind in counted) and not (may and kind not in counted):
                raise SystemExit(f"{fault or 'no fault'}: {kind} is {found[kind]}")
        if found["sent"] < 500:
            raise SystemExit(f"{fault or 'no fault'}: only {found['sent']} sent")


main()
