"""Runs the scenes: one line of JSON for each scene, server and round."""
import json
import os
import subprocess
import sys
import time

import machine

PORTS = {"relay": 5122, "prosody": 5322, "ejabberd": 5422, "tambo": 5622}
PEERS = os.path.join(machine.ROOT, "tests", "bench", "peers")
LOAD = os.path.join(machine.ROOT, "build", "release", "bin", "bench-load")
FOLDER = "/tmp/tambo-bench"
KEYS = os.path.join(FOLDER, "scram-keys")
TOLERATED = 0.25   # disturbance of a run that isn't repeated
SHOWN = ("error", "per_s", "msgs_per_s", "lat_us_p50", "server_cpu_s_per_1m", "server_pss_per_session_bytes", "stored_per_s",
         "delivered_per_s", "secs", "lost", "repeated", "reordered", "failed", "dirt")


class Server:
    """One of them, as its script in tests/bench/peers starts it."""

    def __init__(self, name, scene, users):
        self.name = name
        server, two, self.load_core = machine.cores()
        self.environment = dict(os.environ, RUN=FOLDER, LOAD=LOAD, USERS=str(users), PIN=two if scene.free else server,
                                AUTH="hashed" if scene.hashed else "plain", THREADS="1")
        if scene.free and two != f"{server},{self.load_core}":
            self.load_core = machine.cores()[2]
        elif scene.free:
            self.load_core = two   # nobody has a core for itself
        if name == "tambo":
            self.environment.update(scene.of_tambo)
        self.pid = None

    def _call(self, verb):
        script = os.path.join(PEERS, self.name + ".sh")
        done = subprocess.run([script, verb], env=self.environment, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name} {verb}: {done.stderr[-400:]}")
        return done.stdout.strip()

    def start(self):
        self.stop()
        self.pid = self._call("start").splitlines()[-1]   # which returns when it listens and has its accounts

    def stop(self):
        self._call("stop")
        self.pid = None

    def load(self, scene):
        command = ["taskset", "-c", self.load_core, LOAD, *scene.load.split(), "--port", str(PORTS[self.name]),
                   "--pids", self.pid]
        if scene.hashed:
            command += ["--scram-keys", f"{KEYS}.{self.name}"]
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
        try:
            found = json.loads(done.stdout.strip().splitlines()[-1])
        except (ValueError, IndexError):
            found = {"error": (done.stderr or done.stdout)[-300:]}
        found["wall_s"] = round(time.monotonic() - began, 2)
        found["dirt"] = round(max(0.0, found.get("other_cores", 0)) + found.get("steal_pct", 0) / 50, 3)
        return found


def measure(server, scene, wishes):
    """The least disturbed of some attempts, whatever it measured."""
    best = None
    for attempt in range(wishes.attempts):
        if server.pid is None or (scene.fresh and attempt > 0):
            server.start()
        if scene.twice and attempt == 0:
            server.load(scene)
        machine.wait_until_quiet(wishes.quiet_s)
        found = server.load(scene)
        if best is None or "error" in best or ("error" not in found and found["dirt"] < best["dirt"]):
            best = found
        if "error" not in found and found["dirt"] < TOLERATED:
            break
    return best


def say(line):
    shown = {key: round(line[key], 3) if isinstance(line[key], float) else line[key] for key in SHOWN if key in line}
    print(f"  {line['server']:9} {line['scene']:22} {shown}", flush=True)


def users_of(scenes):
    """Accounts for the first one and those that go on with its server."""
    most = scenes[0].users
    for scene in scenes[1:]:
        if scene.fresh:
            break
        most = max(most, scene.users)
    return most


def run_group(scenes, names, wishes, write):
    """Scene by scene, one server after the other: what is compared is measured within a minute, since the speed of the
    machine drifts. All of them are up meanwhile, and those that are not asked do nothing."""
    up, failed = {}, set()
    for i, scene in enumerate(scenes):
        for name in names:
            if name not in scene.servers or name in failed:
                continue
            try:
                if name not in up or scene.fresh:
                    if name in up:
                        up.pop(name).stop()
                    up[name] = Server(name, scene, users_of([later for later in scenes[i:] if name in later.servers]))
                write({"scene": scene.name, "server": name, **measure(up[name], scene, wishes)})
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:   # the others go on
                print(f"  {name}: {error}", file=sys.stderr, flush=True)
                failed.add(name)
    for server in up.values():
        server.stop()


def run(groups, wishes, out):
    about = machine.description()
    os.makedirs(FOLDER, exist_ok=True)
    for name in PORTS:   # keys belong to accounts, whose salts a new server makes anew
        if os.path.exists(f"{KEYS}.{name}"):
            os.unlink(f"{KEYS}.{name}")
    for number in range(wishes.rounds):
        def write(line, number=number):
            line = {**line, "round": number, **about}
            out.write(json.dumps(line) + "\n")
            out.flush()
            say(line)
        for group, scenes in groups.items():
            print(f"round {number + 1}/{wishes.rounds}: {group}", flush=True)
            run_group(scenes, wishes.servers, wishes, write)
