"""A headless Chromium, driven by WebDriver (W3C) over plain HTTP: no library needed."""
import base64
import http.client
import json
import re
import shutil
import subprocess
import tempfile

from tambod import PATIENCE, expect

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--no-first-run", "--disable-sync"]

# Calls back when the condition holds: looked at whenever the page changes.
UNTIL = """
const done = arguments[arguments.length - 1], holds = () => { %s };
if (holds()) return done(true);
const watcher = new MutationObserver(() => { if (holds()) { watcher.disconnect(); done(true); } });
watcher.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
"""


def missing():
    return [tool for tool in ("chromium", "chromedriver") if not shutil.which(tool)]


class Browser:
    """With `with`: it ends with the test, and so does its profile."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="tambo-chromium-")
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, encoding="utf-8")
        said = []
        for line in self.driver.stdout:
            said.append(line)
            if found := re.search(r"started successfully on port (\d+)", line):
                break
        else:
            expect(False, "chromedriver starts", *said)
        self.wire = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=4 * PATIENCE)
        options = {"args": FLAGS + ["--user-data-dir=" + self.profile.name], "binary": shutil.which("chromium")}
        made = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"}}}})
        self.session = "/session/" + made["sessionId"]
        self.ask("POST", self.session + "/timeouts", {"script": PATIENCE * 1000})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.ask("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.profile.cleanup()

    def ask(self, method, path, body=None):
        self.wire.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        reply = self.wire.getresponse()
        value = json.loads(reply.read())["value"]
        expect(reply.status == 200, "%s %s" % (method, path), json.dumps(value)[:2000])
        return value

    def open(self, url):
        self.ask("POST", self.session + "/url", {"url": url})

    def run(self, script, *arguments):
        return self.ask("POST", self.session + "/execute/sync", {"script": script, "args": list(arguments)})

    def until(self, condition):
        """`condition` is the body of a JavaScript function; the page's changes are what is waited for."""
        self.ask("POST", self.session + "/execute/async", {"script": UNTIL % condition, "args": []})

    def look_like(self, width, height, scheme):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2, mobile=width < 600)
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, file):
        """The whole page, however long."""
        shot = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        with open(file, "wb") as out:
            out.write(base64.b64decode(shot["data"]))

    def devtools(self, command, **params):
        return self.ask("POST", self.session + "/goog/cdp/execute", {"cmd": command, "params": params})

    def complaints(self):
        """What the console shows in red: scripts that failed, what the content security policy kept out."""
        return [entry["message"] for entry in self.ask("POST", self.session + "/se/log", {"type": "browser"})
                if entry["level"] == "SEVERE"]

    def requested(self, origin):
        """The URL of everything that pages of `origin` asked for since the last call, and of the pages themselves."""
        events = [json.loads(entry["message"])["message"] for entry in self.ask("POST", self.session + "/se/log", {"type": "performance"})]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
                and event["params"]["documentURL"].startswith(origin + "/")]
