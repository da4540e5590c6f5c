"""A few plots as SVG: what a page of tables doesn't show at a glance."""
import math
import os
from html import escape

COLOURS = {"relay": "#999999", "tambo": "#0072b2", "ejabberd": "#d55e00", "prosody": "#cc79a7"}
WIDTH, LEFT, RIGHT, BAR, GAP = 720, 170, 100, 14, 10
STYLE = "font-family='sans-serif' font-size='12'"


def svg(height, parts):
    return (f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' {STYLE}>"
            f"<rect width='{WIDTH}' height='{height}' fill='white'/>" + "".join(parts) + "</svg>\n")


def text(x, y, words, anchor="start", size=12):
    return f"<text x='{x:.0f}' y='{y:.0f}' text-anchor='{anchor}' font-size='{size}'>{escape(words)}</text>"


def short(value):
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def bars(title, rows):
    """rows: (what, [(server, value)]); on a logarithmic scale, because they differ by a hundred times."""
    values = [value for _, each in rows for _, value in each if value > 0]
    low = 10 ** math.floor(math.log10(min(values)) - 0.01)
    scale = (WIDTH - LEFT - RIGHT) / math.log10(max(values) / low)
    parts, y = [text(10, 20, title + " (logarithmic)", size=14)], 34
    for what, each in rows:
        parts.append(text(LEFT - 10, y + (BAR * len(each)) / 2 + 4, what, "end"))
        for server, value in each:
            width = max(1.0, math.log10(max(value, low) / low) * scale)
            parts.append(f"<rect x='{LEFT}' y='{y}' width='{width:.1f}' height='{BAR - 2}' fill='{COLOURS[server]}'/>")
            parts.append(text(LEFT + width + 5, y + BAR - 4, f"{server} {short(value)}", size=11))
            y += BAR
        y += GAP
    return svg(y + 4, parts)


def lines(title, series, across, up):
    """series: {name: [(x, y)]}, each from zero."""
    height, bottom, right = 300, 260, WIDTH - 110
    points = [point for each in series.values() for point in each]
    most_x, most_y = max(x for x, _ in points) or 1, (max(y for _, y in points) or 1) * 1.05
    place = lambda x, y: (60 + x / most_x * (right - 60), bottom - y / most_y * (bottom - 40))
    parts = [text(10, 20, title, size=14), text(right, 292, across, "end"), text(10, 36, up, size=11)]
    for i in range(5):
        y = most_y * i / 4
        parts.append(f"<line x1='60' x2='{right}' y1='{place(0, y)[1]:.0f}' y2='{place(0, y)[1]:.0f}' stroke='#dddddd'/>")
        parts.append(text(55, place(0, y)[1] + 4, short(y), "end", 11))
        parts.append(text(place(most_x * i / 4, 0)[0], 276, short(most_x * i / 4), "middle", 11))
    palette = list(COLOURS.values())[1:] + ["#009e73", "#e69f00"]
    for i, (name, each) in enumerate(series.items()):
        colour = COLOURS.get(name, palette[i % len(palette)])
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in each))
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        parts.append(text(right + 6, place(*each[-1])[1] + 4, name, size=11))
    return svg(height, parts)


def rows_of(results, scenes, key):
    rows = []
    for scene in scenes:
        each = [(server, results.value(scene, server, key)) for server in COLOURS]
        each = [(server, value) for server, value in each if value and value > 0]
        if each:
            rows.append((scene, each))
    return rows


BAR_PLOTS = [
    ("CPU seconds per million messages", "cpu.svg", ("sat ", "ping 50", "presence"), "server_cpu_s_per_1m"),
    ("Messages per second", "rate.svg", ("sat ",), "msgs_per_s"),
    ("Latency, 99th percentile, µs", "latency.svg", ("ping ",), "lat_us_p99"),
    ("Logins per second", "logins.svg", ("login",), "per_s"),
    ("Idle session, bytes", "idle.svg", ("idle",), "server_pss_per_session_bytes"),
    ("Offline messages stored per second", "offline.svg", ("offline",), "stored_per_s"),
    ("Seconds until all clients are back", "herd.svg", ("herd",), "secs"),
]


def draw(results, folder):
    """Writes what there are figures for; [(title, file)]."""
    os.makedirs(folder, exist_ok=True)
    drawn = []
    for title, name, begins, key in BAR_PLOTS:
        rows = rows_of(results, [scene for scene in results.scenes() if scene.startswith(begins)], key)
        if not rows:
            continue
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(bars(title, rows))
        drawn.append((title, name))
    return drawn
