"""What must be reached (issue 7), each as a ratio within one round, or as a size."""
from dataclasses import dataclass

CPU = "server_cpu_s_per_1m"


@dataclass(frozen=True)
class Target:
    what: str
    scene: str
    key: str
    other: tuple      # (scene, server); (None, None): the value itself
    bound: float
    is_least: bool = False

    def judge(self, results):
        """(ours, theirs, ratio, reached); None where it wasn't measured."""
        ours = results.value(self.scene, "tambo", self.key)
        if self.other[0] is None:
            return ours, None, ours, None if ours is None else ours <= self.bound
        theirs = results.value(*self.other, self.key)
        ratio = results.ratio((self.scene, "tambo"), self.other, self.key)
        reached = None if ratio is None else (ratio >= self.bound if self.is_least else ratio <= self.bound)
        return ours, theirs, ratio, reached

    def wanted(self):
        return f"{'≥' if self.is_least else '≤'} {number(self.bound)}{' × ' + self.name() if self.other[0] else ''}"

    def name(self):
        return self.other[1] if self.other[1] != "tambo" else f"“{self.other[0]}”"


def number(bound):
    if bound >= 1:
        return f"{bound:,g}"
    return f"1/{round(1 / bound)}" if abs(1 / bound - round(1 / bound)) < 0.01 else f"{bound:g}"


def against(what, scene, key, *bounds):
    """bounds: (server, bound) or (server, bound, True) if it is the least."""
    return [Target(what, scene, key, (scene, server), *rest) for server, *rest in bounds]


def largest(results, begin):
    """The scene with the most sessions, and whether there is one."""
    found = [scene for scene in results.scenes(begin) if scene[len(begin):].isdigit()]
    return max(found, key=lambda scene: int(scene[len(begin):])) if found else begin


def targets(results):
    return [
        *against("saturation, 100 pairs: CPU s per 1M messages", "sat 100", CPU, ("relay", 4), ("ejabberd", 1 / 12)),
        *against("ping-pong, 50 pairs: CPU s per 1M messages", "ping 50", CPU, ("relay", 1.8), ("ejabberd", 1 / 6)),
        *against("saturation: messages/s", "sat 100", "msgs_per_s", ("ejabberd", 8, True)),
        *against("one pair: latency, median, µs", "ping 1", "lat_us_p50", ("relay", 1.5)),
        Target("idle session, plaintext, bytes", largest(results, "idle "), "server_pss_per_session_bytes", (None, None), 2048),
        Target("idle session, TLS 1.3, bytes", largest(results, "idle TLS "), "server_pss_per_session_bytes", (None, None),
               16384),
        *against("logins/s, TLS 1.3", "login TLS", "per_s", ("relay", 0.75, True)),
        *against("logins/s, SCRAM", "login SCRAM", "per_s", ("ejabberd", 5, True)),
        *against("all clients back at once, s", "herd", "secs", ("ejabberd", 1 / 5)),
        *against("offline messages stored/s (commit)", "offline", "stored_per_s", ("ejabberd", 10, True)),
        *against("offline messages delivered/s (commit)", "offline", "delivered_per_s", ("ejabberd", 5, True)),
        *against("presence: CPU s per 1M delivered", "presence", CPU, ("ejabberd", 1 / 8)),
        *against("saturation, TLS 1.3: CPU s per 1M", "sat 100 TLS", CPU, ("ejabberd", 1 / 10)),
        Target("saturation through FunXMPP: CPU s per 1M", "sat 100 FunXMPP", CPU, ("sat 100", "tambo"), 1.3),
        Target("saturation with XEP-0198: CPU s per 1M", "sat 100 XEP-0198", CPU, ("sat 100", "tambo"), 1.3),
        Target("saturation, durability = commit: CPU s per 1M", "sat 100 commit", CPU, ("sat 100", "tambo"), 2),
        # Where the load has no core of its own, what a message costs says what two free cores would do.
        Target("two shards: CPU s per 1M (2 / 1.7 of it)", "sat 100, 2 shards", CPU, ("sat 100, 1 shard", "tambo"),
               round(2 / 1.7, 2)),
        Target("two shards: messages/s (three cores needed)", "sat 100, 2 shards", "msgs_per_s", ("sat 100, 1 shard", "tambo"),
               1.7, True),
    ]
