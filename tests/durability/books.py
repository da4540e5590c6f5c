"""Who said what, what the server took responsibility for, and what arrived where, in which order, how often."""
import collections

FIGURES = ("accepted", "delivered", "lost", "repeated", "reordered", "missed", "bounced", "archived")


class Books:
    """A message is (writer, account, number); numbers count from 1 for each pair, so that order can be told."""

    def __init__(self):
        self.written = collections.Counter()              # (writer, account) -> the last number
        self.accepted, self.bounced, self.archived = set(), set(), set()
        self.arrivals = collections.defaultdict(list)     # (account, resource) -> messages in the order of arrival
        self.arrived = set()
        self.missed = []                                  # (device, message)
        self.members = collections.defaultdict(list)      # account -> its devices

    def write(self, writer, account):
        self.written[writer, account] += 1
        return writer, account, self.written[writer, account]

    def arrive(self, device, message):
        self.arrivals[device.user, device.resource].append(message)
        self.arrived.add(message)

    def missing(self):
        """Accepted, and neither arrived nor came back."""
        return self.accepted - self.arrived - self.bounced

    def missed_now(self):
        """What somebody else of the account got, but not this device, which was there all the time and resumed each time that
        its link broke. Can be told until everybody logs in anew."""
        return [((account, device.resource), message) for account, devices in self.members.items() if len(devices) > 1
                for device in devices if device.logins == 1
                for message in sorted(self.arrived & self.accepted - set(self.arrivals[account, device.resource]))
                if message[1] == account]

    def repeated(self):
        return [(device, message) for device, messages in self.arrivals.items()
                for message, times in collections.Counter(messages).items() for _ in range(times - 1)]

    def reordered(self):
        """First arrivals on a device after one with a higher number."""
        found = []
        for device, messages in self.arrivals.items():
            last, seen = collections.Counter(), set()
            for message in messages:
                pair = message[:2]
                if message not in seen and message[2] < last[pair]:
                    found.append((device, message))
                last[pair] = max(last[pair], message[2])
                seen.add(message)
        return found

    def figures(self):
        lost = self.missing()
        return {"accepted": len(self.accepted), "delivered": len(self.arrived), "lost": len(lost),
                "repeated": len(self.repeated()), "reordered": len(self.reordered()), "missed": len(self.missed),
                "bounced": len(self.bounced), "archived": len(lost & self.archived)}

    def examples(self, most=5):
        """What to look for in a log."""
        def named(message):
            return "%s/%s/%d" % message

        def placed(found):
            (account, resource), message = found
            return "%s at %s/%s" % (named(message), account, resource)

        lists = {"repeated": self.repeated(), "reordered": self.reordered(), "missed": self.missed}
        examples = {name: [placed(each) for each in found[:most]] for name, found in lists.items()}
        return {"lost": [named(each) for each in sorted(self.missing())[:most]], **examples}
