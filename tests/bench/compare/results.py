"""Lines of results, by scene, server and round."""
import json
from statistics import median


class Results:
    def __init__(self, files):
        self.rows = {}   # scene -> server -> round -> the latest line
        self.about = {}
        for name in files:
            with open(name, encoding="utf-8") as file:
                for text in file:
                    if not text.strip():
                        continue
                    line = json.loads(text)
                    if "error" in line:
                        continue
                    self.rows.setdefault(line["scene"], {}).setdefault(line["server"], {})[line["round"]] = line
                    self.about = {key: line[key] for key in ("commit", "date", "machine", "versions")}

    def scenes(self, begin=""):
        return [scene for scene in self.rows if scene.startswith(begin)]

    def values(self, scene, server, key):
        lines = self.rows.get(scene, {}).get(server, {})
        return [line[key] for line in lines.values() if line.get(key) is not None]

    def value(self, scene, server, key):
        """The median of the rounds."""
        found = self.values(scene, server, key)
        return median(found) if found else None

    def ratio(self, ours, theirs, key):
        """(scene, server) to (scene, server): the median of the ratios within each round."""
        lines, others = (self.rows.get(scene, {}).get(server, {}) for scene, server in (ours, theirs))
        found = [lines[number][key] / others[number][key] for number in lines
                 if number in others and lines[number].get(key) is not None and others[number].get(key)]
        return median(found) if found else None

    def wrong(self):
        """What must not happen: messages lost, repeated or reordered."""
        for scene, servers in self.rows.items():
            for server, rounds in servers.items():
                for line in rounds.values():
                    bad = {key: line[key] for key in ("lost", "repeated", "reordered", "misrouted", "failed") if line.get(key)}
                    if bad:
                        yield scene, server, bad


def figure(value):
    if value is None:
        return "–"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"
