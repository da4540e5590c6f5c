"""Half of saturation for a long time, while modules are swapped and users come, go and break off: memory and latency have to
stay flat, and nothing may be lost or come twice."""
import csv
import json
import os
import signal
import subprocess
import threading
from statistics import mean, median

import machine
import plots
import run
from scenes import Scene

PAIRS, COMERS = 100, 50
SAMPLE_S, SWAP_S = 10, 5
SETTLING = 0.25           # of the time: pools fill, tables grow
GROWTH = 0.05             # of memory, over the time behind that
SLOWER = 1.3              # last third against first third
CSV = os.path.join(machine.ROOT, "man", "performance", "soak.csv")
CTL = os.path.join(machine.ROOT, "build", "release", "bin", "tamboctl")
SOCKET = os.path.join(run.FOLDER, "tambo", "tambo.sock")
FIELDS = ("sample_s", "lat_us_n", "lat_us_p50", "lat_us_p99", "lat_us_max", "server_pss_kib", "server_cpu_s")
BEGIN, END = "<!-- contrib/bench --soak begin -->\n", "<!-- contrib/bench --soak end -->\n"


class Swapper(threading.Thread):
    """Swaps one module or plugin after the other."""

    def __init__(self):
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.swaps, self.failed = 0, []

    @staticmethod
    def names():
        listed = subprocess.run([CTL, "--socket", SOCKET, "--json", "modules"], capture_output=True, text=True, check=True)
        found = json.loads(listed.stdout)
        return [each["name"] for each in (found if isinstance(found, list) else found["modules"])]

    def run(self):
        names = self.names()
        while not self.over.wait(SWAP_S):
            name = names[self.swaps % len(names)]
            done = subprocess.run([CTL, "--socket", SOCKET, "reload", name], capture_output=True, text=True, check=False)
            self.swaps += 1
            if done.returncode != 0:
                self.failed.append(f"{name}: {(done.stdout + done.stderr).strip()[-200:]}")


def load(server, arguments):
    command = ["taskset", "-c", server.load_core, run.LOAD, *arguments.split(), "--port", str(run.PORTS["tambo"])]
    return subprocess.Popen(command + ["--pids", server.pid], stdout=subprocess.PIPE, text=True)


def saturation(server):
    found = server.load(Scene("", f"chat --mode sat --pairs {PAIRS} --time 5 --sm"))
    return found["msgs_per_s"]


def listen(process, about):
    """(samples, the last line); says each as it comes."""
    samples, last = [], {}
    for line in process.stdout:
        last = json.loads(line)
        if "sample_s" in last:
            samples.append({field: last.get(field, 0) for field in FIELDS})
            print(f"  {last['sample_s']:6.0f} s: p50 {last.get('lat_us_p50', 0):,.0f} µs, p99 {last.get('lat_us_p99', 0):,.0f} µs, "
                  f"{last['server_pss_kib'] / 1024:.1f} MiB", flush=True)
    return samples, {**last, **about}


def settled(samples):
    return [each for each in samples if each["sample_s"] >= samples[-1]["sample_s"] * SETTLING]


def growth(samples):
    """KiB a minute by least squares, and as a share over the time."""
    kept = [(each["sample_s"] / 60, each["server_pss_kib"]) for each in settled(samples)]
    x, y = mean(at for at, _ in kept), mean(size for _, size in kept)
    spread = sum((at - x) ** 2 for at, _ in kept) or 1
    slope = sum((at - x) * (size - y) for at, size in kept) / spread
    return slope, slope * (kept[-1][0] - kept[0][0]) / y


def slowing(samples, field):
    kept = settled(samples)
    third = max(1, len(kept) // 3)
    first, last = (median(each[field] for each in part) for part in (kept[:third], kept[-third:]))
    return last / first if first else 1


def verdict(samples, last, comers, swapper):
    slope, share = growth(samples)
    slower = slowing(samples, "lat_us_p50")
    wrong = {key: last.get(key, 0) for key in ("lost", "repeated", "reordered", "misrouted", "dropped", "unsent")}
    rows = [("memory", f"{slope:+.1f} KiB a minute, {share:+.1%} over the time", share <= GROWTH),
            ("latency, median", f"{slower:.2f} × in the last third of what it was in the first", slower <= SLOWER),
            ("99th percentile", f"{slowing(samples, 'lat_us_p99'):.2f} ×", None),
            ("messages", f"{last['received']:,} of {last['sent']:,}; " + ", ".join(f"{n} {k}" for k, n in wrong.items()),
             not any(wrong.values()) and last["received"] == last["sent"]),
            ("swaps", f"{swapper.swaps}, {len(swapper.failed)} failed", not swapper.failed),
            ("logins beside", f"{comers.get('up', 0):,}, {comers.get('failed', 0)} failed", not comers.get("failed", 0))]
    for why in swapper.failed[:5]:
        print("  not swapped: " + why)
    return rows


def write(samples, rows, about, rate, minutes):
    os.makedirs(os.path.dirname(CSV), exist_ok=True)
    with open(CSV, "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, FIELDS, lineterminator="\n")
        table.writeheader()
        table.writerows(samples)
    at = [each["sample_s"] / 60 for each in samples]
    drawn = {"soak-memory.svg": ("Memory of the server, MiB (PSS)", {"tambo": "server_pss_kib"}, 1024),
             "soak-latency.svg": ("Latency, µs", {"median": "lat_us_p50", "99 %": "lat_us_p99"}, 1)}
    for name, (title, series, unit) in drawn.items():
        of = {label: list(zip(at, (each[field] / unit for each in samples))) for label, field in series.items()}
        with open(os.path.join(os.path.dirname(CSV), name), "w", encoding="utf-8") as file:
            file.write(plots.lines(title, of, "minutes", ""))
    lines = [f"Measured {about['date']} at {about['commit']} on {about['machine']}: {minutes:g} minutes, {rate:,.0f} messages a "
             f"second between {PAIRS}", f"pairs with XEP-0198, a swap each {SWAP_S} s, {COMERS} users who come, go and break off.", "",
             "| | | good |", "|---|---|---|"]
    lines += [f"| {what} | {found} | {'–' if good is None else 'yes' if good else '**no**'} |" for what, found, good in rows]
    lines += ["", "![Memory](performance/soak-memory.svg)", "![Latency](performance/soak-latency.svg)"]
    return "\n".join(lines) + "\n"


def soak(minutes):
    """(text for the page, whether all is good)."""
    about = machine.description()
    server = run.Server("tambo", Scene("", ""), 2 * PAIRS + COMERS)
    swapper, comers = Swapper(), None
    try:
        server.start()
        rate = saturation(server) / 2
        print(f"{rate:,.0f} messages a second for {minutes:g} minutes", flush=True)
        seconds = int(minutes * 60)
        talk = load(server, f"chat --mode rate --rate {rate:.0f} --pairs {PAIRS} --time {seconds} --every {SAMPLE_S} --sm")
        comers = load(server, f"churn --first {2 * PAIRS} --n {COMERS} --warm-up 1 --time {seconds} --sm")
        swapper.start()
        samples, last = listen(talk, about)
        swapper.over.set()
        swapper.join()
        came = json.loads(comers.communicate(timeout=60)[0].splitlines()[-1])
    finally:
        swapper.over.set()
        if comers is not None and comers.poll() is None:
            comers.send_signal(signal.SIGTERM)
        server.stop()
    rows = verdict(samples, last, came, swapper)
    for what, found, good in rows:
        print(f"{what:16} {found}{'' if good is None else '   good' if good else '   NOT GOOD'}")
    return write(samples, rows, about, rate, minutes), all(good is not False for _, _, good in rows)
