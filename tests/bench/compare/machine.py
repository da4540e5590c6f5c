"""What the figures were measured on, and whether it was quiet."""
import datetime
import os
import platform
import subprocess
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))


def text_of(command):
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def memory_gib():
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def version(package):
    return text_of(["dpkg-query", "-W", "-f", "${Version}", package]) or "none"


def description():
    """What every line of results says, so that files of several machines can be put together."""
    dirty = "+" if text_of(["git", "status", "--porcelain", "--untracked-files=no"]) else ""
    return {
        "commit": text_of(["git", "rev-parse", "--short", "HEAD"]) + dirty,
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {processor()}, {memory_gib()} GiB, Linux {platform.release().split('-')[0]}",
        "versions": f"Prosody {version('prosody')}, ejabberd {version('ejabberd')}",
    }


def cores():
    """(of the server, of a server that may use two, of the load). On two cores a server with two shards shares."""
    if os.cpu_count() >= 3:
        return "0", "0,1", "2"
    if os.cpu_count() == 2:
        return "0", "0,1", "1"
    return "0", "0", "0"


SPAN = 0.5   # seconds


def _busy():
    with open("/proc/stat", encoding="ascii") as file:
        of = [int(field) for field in file.readline().split()[1:9]]
    return (of[0] + of[1] + of[2] + of[5] + of[6]) / os.sysconf("SC_CLK_TCK")


def wait_until_quiet(longest, limit=0.15):
    """Until the whole machine uses less than `limit` cores, or so many seconds have passed; says which."""
    end = time.monotonic() + longest
    while time.monotonic() < end:
        busy, began = _busy(), time.monotonic()
        time.sleep(SPAN)   # not for anything to happen: what is measured is how busy the machine is over it
        if (_busy() - busy) / (time.monotonic() - began) < limit:
            return True
    return False
