"""Tables of results in Markdown, and where the plots are."""
import os

import plots
from machine import ROOT
from results import figure
from targets import targets

PAGE = os.path.join(ROOT, "man", "performance.md")
PLOTS = os.path.join(ROOT, "man", "performance")
BEGIN, END = "<!-- contrib/bench begin -->\n", "<!-- contrib/bench end -->\n"

TABLES = [   # heading, scenes' beginning, columns
    ("Saturation and ping-pong", ("sat ", "ping "), [("server_cpu_s_per_1m", "CPU s/1M", 1), ("msgs_per_s", "msgs/s", 1),
                                                     ("lat_us_p50", "p50 µs", 1), ("lat_us_p99", "p99 µs", 1)]),
    ("Logins", ("login",), [("per_s", "logins/s", 1), ("server_cpu_ms_per_login", "CPU ms each", 1)]),
    ("All clients come back at once", ("herd",), [("secs", "all back, s", 1), ("server_cpu_ms_per_login", "CPU ms each", 1)]),
    ("Idle sessions, with roster, presence and XEP-0198", ("idle",), [("server_pss_per_session_bytes", "bytes each (PSS)", 1)]),
    ("Offline messages", ("offline",), [("stored_per_s", "stored/s", 1), ("delivered_per_s", "delivered/s", 1),
                                        ("store_cpu_s_per_1m", "store CPU s/1M", 1),
                                        ("deliver_cpu_s_per_1m", "deliver CPU s/1M", 1)]),
    ("Presence, 20 contacts each", ("presence",), [("server_cpu_s_per_1m", "CPU s/1M", 1), ("delivered_per_s", "delivered/s", 1)]),
]
ORDER = ("relay", "tambo", "ejabberd", "prosody")


def table(results, begins, columns):
    lines = ["| | server | " + " | ".join(title for _, title, _ in columns) + " | rounds |", "|---" * (len(columns) + 3) + "|"]
    for scene in results.scenes():
        if not scene.startswith(begins):
            continue
        for server in ORDER:
            cells = [results.value(scene, server, key) for key, _, _ in columns]
            if any(cell is not None for cell in cells):
                rounds = len(results.rows[scene][server])
                lines.append(f"| {scene} | {server} | " + " | ".join(figure(cell) for cell in cells) + f" | {rounds} |")
    return lines if len(lines) > 2 else []


def goals(results):
    lines = ["| what | tambo | the other | ratio | wanted | reached |", "|---|---|---|---|---|---|"]
    for target in targets(results):
        ours, theirs, ratio, reached = target.judge(results)
        answer = "not measured" if reached is None else "yes" if reached else "**no**"
        ratio = figure(ratio) if target.other[0] and ratio is not None else "–"
        lines.append(f"| {target.what} | {figure(ours)} | {figure(theirs)} | {ratio} | {target.wanted()} | {answer} |")
    return lines


def document(results):
    about = results.about
    out = [f"Measured {about['date']} at {about['commit']} on {about['machine']}. {about['versions']}. Medians of the rounds;",
           "ratios are medians of those within a round.", "", *goals(results), ""]
    wrong = list(results.wrong())
    out += [f"- {scene}, {server}: {bad}" for scene, server, bad in wrong] or \
           ["No message was lost, repeated or reordered by anybody, and no login failed."]
    for heading, begins, columns in TABLES:
        lines = table(results, begins, columns)
        if lines:
            out += ["", f"### {heading}", "", *lines]
    out += ["", *(f"![{title}](performance/{name})" for title, name in plots.draw(results, PLOTS))]
    return "\n".join(out) + "\n"


def put_on_page(begin, text, end):
    """Between two marks."""
    with open(PAGE, encoding="utf-8") as file:
        before, rest = file.read().split(begin)
    after = rest.split(end)[1]
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(before + begin + text + end + after)


def write(results):
    put_on_page(BEGIN, document(results), END)
    return "\n".join(goals(results))
