"""What is measured: each scene is one run of bench-load against each server that it is for."""
from dataclasses import dataclass, field

ALL = ("relay", "prosody", "ejabberd", "tambo")
SERVERS = ("prosody", "ejabberd", "tambo")   # what isn't only a relay
ROSTER = "--roster --sm"                     # as an idle session is: with roster, presence and XEP-0198


@dataclass(frozen=True)
class Scene:
    name: str
    load: str                                   # what bench-load is told
    servers: tuple = ALL
    fresh: bool = False                         # begins with a server that has done nothing yet
    twice: bool = False                         # the first run isn't counted: it fills the clients' key cache
    of_tambo: dict = field(default_factory=dict)   # environment of contrib/serve
    hashed: bool = False                        # accounts have SCRAM keys
    free: bool = False                          # the server may use two cores

    @property
    def users(self):
        words = self.load.split()
        number = lambda option, other: int(words[words.index(option) + 1]) if option in words else other
        if words[0] == "chat":
            return 2 * number("--pairs", 50)
        if words[0] == "offline":
            return number("--senders", 50) + number("--recipients", 200)
        return number("--n", 100)


def chat(name, arguments, **more):
    return Scene(name, "chat " + arguments, **more)


def groups(quick):
    """{name: scenes}. Scenes of one group go on with the same server, unless they ask for a fresh one."""
    seconds = "--time 1.5 --warm-up 0.5" if quick else "--time 8"
    many = 500 if quick else 5000
    idle = [500] if quick else [1000, 2000, 5000, 10000]
    idle_tls = [500] if quick else [500, 2000, 5000]
    sat = "--mode sat --pairs 100 " + seconds
    found = {
        "login": [Scene("login", f"login --n {many} --concurrency 100"),
                  Scene("login TLS", f"login --n {min(many, 2000)} --concurrency 100 --tls")],
        "scram": [Scene("login SCRAM", f"login --n {min(many, 2000)} --concurrency 100 --auth scram", SERVERS, twice=True,
                        hashed=True)],
        "idle": [Scene(f"idle {n}", f"idle --n {n} --concurrency 100 --time 4 {ROSTER}", fresh=True) for n in idle],
        "idle-tls": [Scene(f"idle TLS {n}", f"idle --n {n} --concurrency 100 --time 4 --tls {ROSTER}", fresh=True)
                     for n in idle_tls],
        "chat": [chat("ping 1", "--mode ping --pairs 1 " + seconds, fresh=True),
                 chat("ping 50", "--mode ping --pairs 50 " + seconds),
                 chat("sat 100", sat),
                 chat("sat 1000", "--mode sat --pairs 1000 " + seconds),
                 chat("sat 100 TLS", sat + " --tls"),
                 chat("sat 100 XEP-0198", sat + " --sm"),
                 chat("sat 100 FunXMPP", sat + " --funxmpp", servers=("tambo",))],
        "durability": [chat("sat 100 " + mode, sat, servers=("tambo",), of_tambo={"DURABILITY": mode}, fresh=True)
                       for mode in ("commit", "fsync")] +
                      [chat("sat 100 XEP-0198 commit", sat + " --sm", servers=("tambo",), of_tambo={"DURABILITY": "commit"},
                            fresh=True)],
        "offline": [Scene("offline", f"offline --senders 50 --recipients 200 --each {10 if quick else 50}", SERVERS,
                          fresh=True, of_tambo={"DURABILITY": "commit"})],
        "presence": [Scene("presence", f"presence --n {100 if quick else 200} --contacts 20 --broadcasts 20 --roster",
                           SERVERS, fresh=True)],
        "herd": [Scene("herd", f"herd --n {many}", fresh=True)],
        "shards": [chat(f"sat 100, {n} shard{'s' if n > 1 else ''}", sat, servers=("tambo",), fresh=True, free=True,
                        of_tambo={"THREADS": str(n)}) for n in (1, 2)],
    }
    if quick:
        found["chat"] = [scene for scene in found["chat"] if scene.name != "sat 1000"]
    return found
