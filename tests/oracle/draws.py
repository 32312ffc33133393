"""Chance: zones, clock changes, dates and clock times of a case."""

from datetime import datetime, time, timedelta

from clocks import UTC, Start, changes, clock, every_zone, iso, minutes, resolve, wall, zone_of
from meanings import Elapsed, Rejected, of_day

ZONES = [
    "America/New_York", "Europe/London", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca",
    "Asia/Kathmandu", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia", "Africa/Nairobi", "America/Havana",
    "Asia/Beirut", "Africa/Cairo", "Antarctica/Troll", "America/Vancouver", "America/Santiago", "Asia/Gaza",
]
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
TABLE = {
    1: ["08:00"], 2: ["08:00", "20:00"], 3: ["08:00", "14:00", "20:00"], 4: ["08:00", "12:00", "16:00", "20:00"],
    # Evenly over the waking day, 07:00 to 22:00.
    5: ["07:00", "10:45", "14:30", "18:15", "22:00"],
    6: ["07:00", "10:00", "13:00", "16:00", "19:00", "22:00"],
    7: ["07:00", "09:30", "12:00", "14:30", "17:00", "19:30", "22:00"],
}


class Draw:
    """One random case."""

    def __init__(self, chance):
        self.chance = chance
        self.zone = chance.choice(every_zone()) if chance.random() < 0.08 else chance.choice(ZONES)
        moves = changes(self.zone)
        if moves and chance.random() < 0.7:
            self.focus = chance.choice(moves)
        else:
            self.focus = datetime(2012, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(24 * 365 * 24 * 60))
        if self.zone == "Pacific/Apia" and chance.random() < 0.5:
            self.focus = datetime(2011, 12, 30, 10, tzinfo=UTC)
        before = chance.choice([0, 6, 24, 30, 72, 240])
        after = chance.choice([6, 24, 25, 72, 240, 24 * 40, 24 * 400])
        self.low = (self.focus - timedelta(hours=before)).replace(microsecond=0)
        self.high = self.low + timedelta(hours=before + after)
        self.routine, self.settled = None, False
        self.anchor = self.moment(self.some_start(), whole=0.45)

    def some_start(self):
        back = self.chance.choice([0, 0, 1, 2, 3, 7, 20, 45, 200, 900])
        shift = timedelta(days=self.chance.uniform(-1.5, 1) - back)
        return wall(self.low, self.zone) + shift

    def moment(self, local, whole, partial=0.0, exactly=None):
        """A FHIR date or dateTime at about a local time, or at exactly that time of its day."""
        chance = self.chance
        if exactly is not None:
            local = datetime.combine(local.date(), exactly)
        else:
            local = local.replace(microsecond=0, second=0 if chance.random() < 0.9 else chance.randrange(60))
            if chance.random() < 0.6:
                local = local.replace(minute=local.minute // 15 * 15)
        if chance.random() < partial:
            return local.strftime(chance.choice(["%Y-%m", "%Y"]))
        if chance.random() < whole:
            return local.strftime("%Y-%m-%d")
        bare = local.strftime("%Y-%m-%dT%H:%M:%S")
        draw = chance.random()
        if draw < 0.45:
            return bare
        if draw < 0.7:
            return iso(resolve(local, self.zone))
        if draw < 0.85:
            # The second reading of a fold can only be said with an offset.
            offset = local.replace(tzinfo=zone_of(self.zone), fold=1).utcoffset()
        else:
            offset = timedelta(hours=chance.randrange(-11, 13))
        text = (local - timedelta()).strftime("%Y-%m-%dT%H:%M:%S")
        total = int(offset.total_seconds()) // 60
        sign = "-" if total < 0 else "+"
        return text + sign + "%02d:%02d" % divmod(abs(total), 60)

    def times(self, most=4):
        """Clock times, often near the clock change."""
        chance = self.chance
        near = wall(self.focus, self.zone)
        found = set()
        for _ in range(chance.randint(1, most)):
            draw = chance.random()
            if draw < 0.5:
                found.add((near.hour * 60 + near.minute + 15 * chance.randrange(-8, 9)) % 1440)
            elif draw < 0.6:
                found.add(chance.choice([0, 1439, 30, 60, 1410]))
            else:
                found.add(chance.randrange(0, 1440, chance.choice([1, 5, 30])))
        return sorted(found)

    def listed(self, times):
        """As `timeOfDay`: any order, seconds or not, one perhaps twice."""
        given = [minutes(of) if self.chance.random() < 0.7 else minutes(of)[:5] for of in times]
        if self.chance.random() < 0.1:
            given.append(given[0])
        self.chance.shuffle(given)
        return given

    def table(self, n):
        if self.routine is None:
            return [of_day(text) for text in TABLE[n]]
        if str(n) in self.routine.get("times_per_day", {}):
            return [of_day(text) for text in self.routine["times_per_day"][str(n)]]
        raise Rejected

    def tables(self):
        """Perhaps a routine with its own table."""
        if not self.settled and self.chance.random() < 0.25:
            draw = lambda n: sorted(self.chance.sample(range(0, 1440, 15), n))
            self.routine = self.routine or {
                "times_per_day": {str(n): [minutes(of)[:5] for of in draw(n)] for n in (1, 2, 3, 4)}}

    def origin(self):
        """The time of day of an interval whose start has none."""
        if self.routine is None:
            return "00:00"
        if "1" in self.routine.get("times_per_day", {}):
            return self.routine["times_per_day"]["1"][0]
        if "wake" in self.routine:
            return self.routine["wake"]
        raise Rejected

    def meals(self):
        if self.routine is None and not self.settled and self.chance.random() < 0.6:
            keys = ["wake", "breakfast", "lunch", "dinner", "bed"]
            base = {"wake": 390, "breakfast": 430, "lunch": 750, "dinner": 1110, "bed": 1330}
            kept = [key for key in keys if self.chance.random() < 0.75]
            self.routine = {key: minutes(base[key] + 5 * self.chance.randrange(-24, 25))[:5] for key in kept}
            if not self.routine:
                self.routine = None

    def settle(self):
        """One routine for several dosages, drawn before them."""
        self.chance.choice([self.tables, self.meals])()
        self.settled = True

    def slot_time(self, rule):
        """A time of day at which a rule has a slot; for an interval one that its start makes likely."""
        if "timeOfDay" in rule.repeat:
            return clock(self.chance.choice(rule.repeat["timeOfDay"]))
        start = Start.read(self.anchor, self.zone)
        if isinstance(rule.meaning, Elapsed):
            step = rule.meaning.step * self.chance.randrange(5)
            return wall(start.at + step, self.zone).time()
        return self.chance.choice([start.local.time(), time(8), time(20)])

    def days(self):
        return sorted(self.chance.sample(range(7), self.chance.choice([1, 1, 2, 2, 3, 5, 7])))

    def named(self, days):
        names = [WEEKDAYS[day] for day in days]
        self.chance.shuffle(names)
        return names

    def maybe(self, repeat, key, value, share=0.5):
        if self.chance.random() < share:
            repeat[key] = value
