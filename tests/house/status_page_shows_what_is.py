#!/usr/bin/python3
"""The status page in a real browser: its numbers are tamboctl's, it needs nothing from elsewhere, it sees swaps and
restarts. Leaves screenshots in the build folder: status.png, status-dark.png, status-narrow.png."""
import json
import os
import subprocess
import sys
import tempfile
import urllib.parse

import browser
from tambod import PATIENCE, SKIPPED, Tambod, Wire, arguments, expect
from web import get, sections, stats

# What the page shows, from its DOM.
SHOWN = """
const figures = {};
for (const node of document.querySelectorAll("[data-figure]")) figures[node.dataset.figure] = Number(node.dataset.value);
const rows = id => [...document.querySelectorAll("#" + id + " tbody tr")].map(row => ({ ...row.dataset }));
return { figures, modules: rows("modules"), swaps: rows("swaps"), version: document.getElementById("version").textContent,
         wires: [...document.querySelectorAll("#wires tr")].map(row => [row.dataset.codec, Number(row.dataset.saved), row.cells[0].textContent, Number(row.cells[1].dataset.value), Number(row.cells[2].dataset.value)]) };
"""


def heading(wire):
    saved = wire["saved_in"] + wire["saved_out"]
    share = 100 * saved / (saved + wire["bytes_in"] + wire["bytes_out"])
    return "Bytes as " + wire["codec"] + (" %d %% less than XML" % (share + 0.5) if saved else "")


def expected(said):
    """The same, from what tamboctl said. Memory is left out: it never stands still."""
    figures = {name: said[name] for name in ("sessions", "connections", "detached", "accounts_in_memory")}
    for direction in ("in", "out"):
        for kind in ("messages", "presences", "iqs"):
            figures["%s_%s" % (kind, direction)] = said["stanzas"][direction][kind]
    figures.update(swaps_done=said["swaps"]["done"], swaps_refused=said["swaps"]["refused"],
                   pinned_images=said["swaps"]["pinned_images"], store_waiting=said["store"]["waiting"],
                   commits=said["store"]["commits"]["count"])
    return {
        "version": said["version"],
        "figures": figures,
        "wires": [[w["codec"], w["saved_in"] + w["saved_out"], heading(w), w["bytes_in"], w["bytes_out"]]
                  for w in said["wires"]],
        "modules": [{"module": m["name"], "version": m["version"], "generation": str(m["generation"]), "faults": str(m["faults"]),
                     "state": m["state"]}
                    for m in said["modules"]],
        "swaps": [{"module": s["module"], "done": str(s["done"]).lower(), "generation": str(s["generation"])}
                  for s in reversed(said["swaps"]["latest"])],
    }


def looks(page, more):
    """Waits until the page has asked that many times more."""
    seen = page.run("return Number(document.body.dataset.looks ?? 0)")
    page.until("return Number(document.body.dataset.looks ?? 0) >= %d" % (seen + more))


def compare(page, tambod):
    """Nothing happens meanwhile, so all three have to agree."""
    before = expected(stats(tambod))
    looks(page, 2)   # the first of them may have been on its way
    shown = page.run(SHOWN)
    after = expected(stats(tambod))
    expect(before == after, "the server stands still", before, after)
    memory = shown["figures"].pop("resident_bytes")
    expect(memory > 1 << 20, "memory is shown", memory)
    for part, value in after.items():
        expect(shown[part] == value, "%s: the page shows what tamboctl says" % part, json.dumps(shown[part]), json.dumps(value))
    return shown


def chat(juliet, romeo, times):
    for i in range(times):
        juliet.send("<message to='romeo@localhost' type='chat'><body>%d</body></message>" % i)
        romeo.until("<body>%d</body>" % i)
        romeo.send("<message to='juliet@localhost' type='chat'><body>and %d</body></message>" % i)
        juliet.until("<body>and %d</body>" % i)
    juliet.ping("end-of-chat")


def people(tambod):
    for user in ("juliet", "romeo"):
        tambod.ctl("user", "add", user + "@localhost", "secret")
    wires = []
    for user in ("juliet", "romeo"):
        wire = Wire.to(tambod.port())
        wire.log_in(user, "secret")
        wire.send("<presence/>")
        wire.until("<presence[^>]*>")
        wires.append(wire)
    return wires


def a_binary_login(build, port):
    """What FunXMPP saves is a figure, too."""
    subprocess.run([build + "/bin/funxmpp-cli", "login", "--account", "romeo@localhost", "--host", "127.0.0.1", "--port",
                    str(port), "--plain", "--wire", "direct"], check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE,
                   env={**os.environ, "FUNXMPP_PASSWORD": "secret"})


def shoot(page, build):
    for name, width, scheme in (("status", 1280, "light"), ("status-dark", 1280, "dark"), ("status-narrow", 390, "light")):
        page.look_like(width, 800, scheme)
        looks(page, 1)
        expect(page.run("return document.documentElement.scrollWidth <= window.innerWidth"), "the page fits into %d pixels" % width)
        page.screenshot("%s/%s.png" % (build, name))


def asks_nobody_else(page, origin):
    urls = page.requested(origin)
    expect(origin + "/status.json" in urls, "the requests are seen", *urls[:20])
    strangers = [url for url in urls if not url.startswith(origin + "/") and urllib.parse.urlsplit(url).scheme != "data"]
    expect(not strangers, "the page needs nothing from elsewhere", *strangers)


def keeps_scripts_out(port):
    status, headers, _ = get(port, "/")
    policy = headers["Content-Security-Policy"]
    expect(status == 200 and "default-src 'none'" in policy and "'sha256-" in policy and "unsafe" not in policy,
           "only the page's own script and style may run", policy)


def goes_and_comes_back(page, build, folder, tambod, port):
    expect(tambod.stop() == 0, "the server ends in order", tambod.log())
    page.until("return document.body.classList.contains('gone')")
    banner = page.run("const b = document.getElementById('banner'); return b.hidden ? '' : b.textContent")
    expect("does not answer" in banner and "These figures are from" in banner, "the page says that the server is gone", banner)
    page.screenshot(build + "/status-gone.png")
    page.complaints()   # each request that found nobody is one
    with Tambod(build, folder, sections(build, listen="127.0.0.1:%d" % port)) as again:
        page.until("return document.getElementById('state').textContent === 'restarted'")
        page.until("return !document.body.classList.contains('gone')")
        compare(page, again)
        expect(page.run("return document.getElementById('state').textContent") == "live", "and is live again")


def main():
    build, _ = arguments()
    if browser.missing():
        print("not installed: " + ", ".join(browser.missing()))
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory(prefix="tambo-house-") as folder, \
            Tambod(build, folder, sections(build)) as tambod, browser.Browser() as page:
        port = tambod.port("http")
        origin = "http://127.0.0.1:%d" % port
        keeps_scripts_out(port)
        page.open(origin + "/")
        page.until("return document.body.dataset.looks >= 1")
        juliet, romeo = people(tambod)
        chat(juliet, romeo, 20)
        a_binary_login(build, tambod.port())
        page.until("return document.querySelectorAll('#wires tr').length === 2 && document.querySelector('[data-figure=sessions]').dataset.value === '2'")
        shown = compare(page, tambod)
        expect(any(saved > 0 for _, saved, *_ in shown["wires"]), "what FunXMPP saved is seen", shown["wires"])
        expect(shown["figures"]["sessions"] == 2 and shown["figures"]["messages_in"] == 40, "the chat is seen", shown)
        swapped = json.loads(tambod.ctl("reload", "ping", "--json"))
        for table in ("swaps", "modules"):
            page.until("return document.querySelector('#%s tr[data-module=ping][data-generation=\"%d\"]') !== null"
                       % (table, swapped["generation"]))
        compare(page, tambod)
        chat(juliet, romeo, 50)
        shoot(page, build)
        asks_nobody_else(page, origin)
        expect(not page.complaints(), "the console shows nothing in red", *page.complaints())
        goes_and_comes_back(page, build, folder, tambod, port)
        asks_nobody_else(page, origin)


main()
