#!/usr/bin/python3
"""GET /metrics is in Prometheus' text format, strictly, and says what `tamboctl stats --json` says."""
import math
import re
import tempfile

from tambod import Tambod, Wire, arguments, expect
from web import get, sections, stats

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
BASE_UNITS = ("_seconds", "_bytes")   # what a measure ends in; what is counted says what it counts
SUFFIXES = {"counter": [""], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}


def labels_of(text):
    labels = {}
    while text:
        found = LABEL.match(text)
        expect(found and found[1] not in labels, "labels are well-formed and there once", text)
        labels[found[1]] = found[2]
        text = text[found.end():]
    return labels


def number(text):
    special = {"+Inf": math.inf, "-Inf": -math.inf, "NaN": math.nan}
    expect(text in special or re.fullmatch(r"-?[0-9.]+(e[+-]?[0-9]+)?", text), "a value is a number", text)
    return special.get(text, None) if text in special else float(text)


class Page:
    """What a strict reader makes of it: families in order, each with HELP, TYPE and its samples, each of these once."""

    def __init__(self, text):
        expect(text.endswith("\n"), "the last line ends, too", text[-80:])
        self.types, self.samples, family = {}, {}, None
        for line in text[:-1].split("\n"):
            if found := re.fullmatch(r"# HELP (\S+) (\S.*)", line):
                family = found[1]
                expect(family not in self.types, "a family comes once, in one piece", line)
                self.types[family] = None
            elif found := re.fullmatch(r"# TYPE (\S+) (counter|gauge|histogram)", line):
                expect(found[1] == family and self.types[family] is None, "TYPE follows HELP", line)
                self.types[family] = found[2]
            else:
                self.take(family, line)
        for family, kind in self.types.items():
            self.judge(family, kind)

    def take(self, family, line):
        found = SAMPLE.fullmatch(line)
        expect(found and family, "a line is a sample", line)
        name, labels, value = found[1], labels_of(found[2] or ""), number(found[3])
        expect(name in [family + suffix for suffix in SUFFIXES[self.types[family]]], "a sample is in its family", line)
        key = (name, tuple(sorted(labels.items())))
        expect(key not in self.samples, "a sample is there once", line)
        self.samples[key] = value

    def judge(self, family, kind):
        expect(family.startswith("tambo_") and re.fullmatch(r"[a-z0-9_]+", family), "names are ours and plain", family)
        expect(family.endswith("_total") == (kind == "counter"), "counters end in _total, nothing else does", family, kind)
        expect(not re.search(r"_(ms|milliseconds|nanoseconds|us|kb|mb|percent)(_|$)", family), "units are base units", family)
        mine = {key: value for key, value in self.samples.items() if key[0].startswith(family)}
        expect(mine, "a family has samples", family)
        if kind == "counter":
            expect(all(value >= 0 for value in mine.values()), "a counter is not negative", mine)
        if kind == "histogram":
            self.judge_histogram(family)

    def judge_histogram(self, family):
        expect(family.endswith(BASE_UNITS), "a histogram has a unit", family)
        buckets = [(number(dict(labels)["le"]), value) for (name, labels), value in self.samples.items() if name == family + "_bucket"]
        expect(buckets == sorted(buckets) and buckets[-1][0] == math.inf, "bounds rise up to +Inf", buckets)
        counts = [count for _, count in buckets]
        expect(counts == sorted(counts), "buckets add up", buckets)
        expect(self.value(family + "_count") == counts[-1], "the last bucket holds all", buckets)

    def value(self, name, **labels):
        key = (name, tuple(sorted(labels.items())))
        expect(key in self.samples, "there is a sample", key, *self.samples)
        return self.samples[key]


def compare(page, said):
    expect(page.value("tambo_build_info", version=said["version"]) == 1, "the build")
    for name in ("connections", "sessions", "accounts_in_memory", "shards"):
        expect(page.value("tambo_" + name) == said[name], name, page.value("tambo_" + name), said[name])
    expect(page.value("tambo_sessions_detached") == said["detached"], "detached sessions")
    for direction in ("in", "out"):
        for kind, plural in (("message", "messages"), ("presence", "presences"), ("iq", "iqs")):
            counted = page.value("tambo_stanzas_total", direction=direction, kind=kind)
            expect(counted == said["stanzas"][direction][plural], "%s %s" % (plural, direction), counted, said["stanzas"])
        for wire in said["wires"]:
            counted = page.value("tambo_bytes_total", codec=wire["codec"], direction=direction)
            expect(counted == wire["bytes_" + direction], "bytes " + direction, counted, wire)
            as_xml = page.value("tambo_xml_bytes_total", codec=wire["codec"], direction=direction)
            expect(as_xml == counted + wire["saved_" + direction], "as XML " + direction, as_xml, wire)
    expect(page.value("tambo_store_commit_duration_seconds_count") == said["store"]["commits"]["count"], "commits")
    for module in said["modules"]:
        expect(page.value("tambo_module_generation", module=module["name"]) == module["generation"], "generation", module)
        expect(page.value("tambo_module_faults_total", module=module["name"]) == module["faults"], "faults", module)
        expect(page.value("tambo_module_image_bytes", module=module["name"]) == module["image_bytes"] > 0, "image", module)
    for outcome in ("done", "refused"):
        expect(page.value("tambo_swaps_total", outcome=outcome) == said["swaps"][outcome], "swaps " + outcome)


def scrape(port):
    status, headers, text = get(port, "/metrics")
    expect(status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8", "metrics are there", status, headers)
    return Page(text)


def main():
    build, _ = arguments()
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder, Tambod(build, folder, sections(build)) as tambod:
        port = tambod.port("http")
        scrape(port)   # before anything happened
        for user in ("juliet", "romeo"):
            tambod.ctl("user", "add", user + "@localhost", "secret")
        juliet, romeo = Wire.to(tambod.port()), Wire.to(tambod.port())
        juliet.log_in("juliet", "secret")
        romeo.log_in("romeo", "secret")
        romeo.send("<presence/>")
        romeo.until("<presence[^>]*>")
        for i in range(10):
            juliet.send("<message to='romeo@localhost' type='chat'><body>%d</body></message>" % i)
        romeo.until("<body>9</body>")
        juliet.ping("last")
        page = scrape(port)
        compare(page, stats(tambod))
        expect(page.value("tambo_stanzas_total", direction="in", kind="message") == 10, "ten messages came in")
        expect(page.value("tambo_stanzas_total", direction="out", kind="message") == 10, "and went out")
        tambod.ctl("reload", "ping")
        swapped = tambod.ctl("reload", "metrics")
        expect("old code is gone from memory" in swapped, "prometheus-cpp does not keep metrics in memory", swapped)
        later = scrape(port)
        compare(later, stats(tambod))
        expect(later.value("tambo_swaps_total", outcome="done") >= 2, "swaps are counted")
        expect(all(later.samples[key] >= page.samples[key] for key in page.samples if key[0].endswith("_total")),
               "no counter falls, not by a swap either")


main()
