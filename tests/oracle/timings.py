#!/usr/bin/env python3
"""An oracle for the time engine: random timings with what they mean, worked out by python-dateutil.

Each rule by the wall clock is one or more RRULEs on naive local date-times; a slot becomes an instant by
`zoneinfo` with fold 0, which shifts a gap forward and takes the first of a fold. Intervals that elapse are plain
arithmetic in UTC. Nothing here follows the engine's code; it follows the project's timing rules.

Pinned: Python 3.11, python-dateutil 2.9.0.post0, tzdata 2026.6 (IANA 2026f). Another release of the zone rules is
refused, for the expectations would be others.

    timings.py --seed 2026 --count 3000 --most 7 --out tests/data/timing/oracle.ndjson

Each line: id, dosages, zone, anchor, from, to, routine (where there is one), and `expected`: occurrences (slot,
local, utc, merged) and confidence. `local` is left out where the slot's name says it; `a|b` as confidence leaves
the choice, as the rules do.
"""

import argparse
import collections
import heapq
import itertools
import json
import random
import zoneinfo
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache

import tzdata
from dateutil.relativedelta import relativedelta
from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule, weekday

IANA = "2026f"
UTC = timezone.utc
ZONES = [
    "America/New_York", "Europe/London", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca",
    "Asia/Kathmandu", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia", "Africa/Nairobi", "America/Havana",
    "Asia/Beirut", "Africa/Cairo", "Antarctica/Troll", "America/Vancouver", "America/Santiago", "Asia/Gaza",
]
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
SURE = ["none", "exact", "defaulted", "defaulted|review", "review"]
CORE = "http://hl7.org/fhir/StructureDefinition/"
TABLE = {
    1: ["08:00"], 2: ["08:00", "20:00"], 3: ["08:00", "14:00", "20:00"], 4: ["08:00", "12:00", "16:00", "20:00"],
    # Evenly over the waking day, 07:00 to 22:00.
    5: ["07:00", "10:45", "14:30", "18:15", "22:00"],
    6: ["07:00", "10:00", "13:00", "16:00", "19:00", "22:00"],
    7: ["07:00", "09:30", "12:00", "14:30", "17:00", "19:30", "22:00"],
}
PER_WEEK = {1: [0], 2: [0, 3], 3: [0, 2, 4], 4: [0, 2, 4, 6], 5: [0, 1, 2, 3, 4], 6: [0, 1, 2, 3, 4, 5],
            7: [0, 1, 2, 3, 4, 5, 6]}
MEALS = {"M": ("breakfast", "08:00"), "D": ("lunch", "13:00"), "V": ("dinner", "19:00")}
SLEEP = {"WAKE": ("wake", "07:00"), "HS": ("bed", "22:00"), "PHS": ("bed", "22:00"), "NIGHT": ("bed", "22:00")}
PARTS = {"MORN": "08:00", "MORN.early": "06:30", "MORN.late": "10:30", "NOON": "12:00", "AFT": "15:00",
         "EVE": "18:30"}
EVERY_MEAL = {"C": ["CM", "CD", "CV"], "AC": ["ACM", "ACD", "ACV"], "PC": ["PCM", "PCD", "PCV"]}


class Rejected(Exception):
    """The rules leave this case open; another is drawn."""


# --- clocks ---------------------------------------------------------------------------------------------------


@lru_cache(maxsize=None)
def every_zone():
    return sorted(zoneinfo.available_timezones() - {"Factory", "localtime"})


@lru_cache(maxsize=None)
def zone_of(name):
    return zoneinfo.ZoneInfo(name)


def resolve(local, zone):
    return local.replace(tzinfo=zone_of(zone), fold=0).astimezone(UTC)


def wall(at, zone):
    return at.astimezone(zone_of(zone)).replace(tzinfo=None, fold=0)


@lru_cache(maxsize=None)
def changes(zone):
    """Instants at which the zone's offset changes, 2010 to 2037."""
    found, step = [], timedelta(hours=6)
    at, end = datetime(2010, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)
    offset = at.astimezone(zone_of(zone)).utcoffset()
    while at < end:
        later = (at + step).astimezone(zone_of(zone)).utcoffset()
        if later != offset:
            low, high = at, at + step
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                if middle.astimezone(zone_of(zone)).utcoffset() == offset:
                    low = middle
                else:
                    high = middle
            found.append(high.replace(microsecond=0))
        at, offset = at + step, later
    return found


def clock(text):
    return time.fromisoformat(text)


def minutes(of):
    return "%02d:%02d:00" % divmod(of % 1440, 60)


def iso(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Start:
    """Where a rule starts: local date-time, instant, and whether a time of day was given."""

    def __init__(self, local, at, timed):
        self.local, self.at, self.timed = local, at, timed
        self.day = local.date()

    @staticmethod
    def read(text, zone):
        if "T" not in text:
            parts = [int(part) for part in text.split("-")]
            local = datetime(*(parts + [1, 1])[:3]) if len(parts) < 3 else datetime(*parts)
            return Start(local, resolve(local, zone), False)
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        if moment.tzinfo is None:
            return Start(moment, resolve(moment, zone), True)
        return Start(wall(moment, zone), moment.astimezone(UTC), True)

    @staticmethod
    def at_local(local, zone):
        return Start(local, resolve(local, zone), True)


def end_of(text, zone):
    """The first local date-time after an inclusive end, and the first instant after it."""
    if "T" not in text:
        parts = [int(part) for part in text.split("-")]
        if len(parts) == 3:
            after = datetime(*parts) + timedelta(days=1)
        elif len(parts) == 2:
            after = datetime(*parts, 1) + relativedelta(months=1)
        else:
            after = datetime(parts[0] + 1, 1, 1)
        return after, resolve(after, zone)
    moment = Start.read(text, zone)
    second = timedelta(seconds=1)
    return moment.local + second, moment.at + second


# --- rules ----------------------------------------------------------------------------------------------------


class ByClock:
    """A union of RRULEs on naive local date-times; `build(day)` gives them from the anchor date."""

    def __init__(self, build):
        self.build = build

    def slots(self, start, _zone):
        merged = heapq.merge(*[iter(rule) for rule in self.build(start.day)])
        last = None
        for slot in merged:
            if slot != last and slot >= start.local:
                yield slot
            last = slot

    @staticmethod
    def instant(slot, zone):
        return resolve(slot, zone)

    @staticmethod
    def local(slot, _zone):
        return slot

    @staticmethod
    def name(slot):
        return slot.strftime("%Y-%m-%dT%H:%M:%S")


class Elapsed:
    """Every so many seconds from the start."""

    def __init__(self, seconds, origin):
        self.step, self.origin = timedelta(seconds=seconds), origin

    def slots(self, start, zone):
        at = start.at if start.timed else resolve(datetime.combine(start.day, clock(self.origin)), zone)
        while True:
            yield at
            at += self.step

    @staticmethod
    def instant(slot, _zone):
        return slot

    @staticmethod
    def local(slot, zone):
        return wall(slot, zone)

    @staticmethod
    def name(slot):
        return iso(slot)


def daily(times, step=1):
    """Each time (minutes from the base day's midnight, beyond it with an offset) on every step-th day."""
    return ByClock(lambda day: [
        rrule(DAILY, interval=step, dtstart=datetime.combine(day, time()) + timedelta(minutes=of)) for of in times
    ])


def weekly(times, days, step=1):
    return ByClock(lambda day: [
        rrule(WEEKLY, interval=step, byweekday=[weekday(d) for d in days(day)], wkst=weekday(day.weekday()),
              dtstart=datetime.combine(day, time()) + timedelta(minutes=of))
        for of in times
    ])


def monthly(times, step):
    def build(day):
        for of in times:
            begin = datetime.combine(day, time()) + timedelta(minutes=of)
            if day.day >= 29:
                yield rrule(MONTHLY, interval=step, bymonthday=list(range(28, day.day + 1)), bysetpos=-1,
                            dtstart=begin)
            else:
                yield rrule(MONTHLY, interval=step, bymonthday=day.day, dtstart=begin)
    return ByClock(lambda day: list(build(day)))


def yearly(times, step):
    def build(day):
        for of in times:
            begin = datetime.combine(day, time()) + timedelta(minutes=of)
            if (day.month, day.day) == (2, 29):
                yield rrule(YEARLY, interval=step, bymonth=2, bymonthday=[28, 29], bysetpos=-1, dtstart=begin)
            else:
                yield rrule(YEARLY, interval=step, bymonth=day.month, bymonthday=day.day, dtstart=begin)
    return ByClock(lambda day: list(build(day)))


def of_month(times, days, weekdays, step):
    def build(day):
        for of in times:
            begin = datetime.combine(day, time()) + timedelta(minutes=of)
            by = {"byweekday": [weekday(d) for d in weekdays]} if weekdays else {}
            # A month rule's interval counts calendar months from the anchor's.
            yield rrule(MONTHLY, interval=step, bymonthday=days, dtstart=begin, **by)
    return ByClock(lambda day: list(build(day)))


def of_day(text):
    return int(text[:2]) * 60 + int(text[3:5])


# --- one dosage -------------------------------------------------------------------------------------------------


class Rule:
    """A timing as drawn: FHIR's JSON beside its meaning."""

    def __init__(self, repeat, meaning, sure, code=None, event=None, timed=None):
        self.repeat, self.meaning, self.sure = repeat, meaning, sure
        self.code, self.event = code, event
        # How sure an interval in hours is depends on its start.
        self.timed = timed
        self.as_needed = None

    def timing(self):
        timing = {}
        if self.event is not None:
            timing["event"] = self.event
        if self.repeat:
            timing["repeat"] = self.repeat
        if self.code:
            timing["code"] = {"coding": [{"code": self.code}]}
        return timing


class Course:
    """A rule with its limits, from a start."""

    def __init__(self, rule, start, zone):
        self.meaning, self.zone, self.start = rule.meaning, zone, start
        repeat = rule.repeat
        period = repeat.get("boundsPeriod", {})
        if "start" in period:
            self.start = Start.read(period["start"], zone)
        if rule.event is not None:
            self.start = Start.read(rule.event[0], zone)
        self.sure = rule.sure
        if rule.timed and not self.start.timed:
            self.sure = "defaulted"
        self.local_end, self.resolved_end, self.end = None, None, None
        if "end" in period:
            self.local_end, self.resolved_end = end_of(period["end"], zone)
            if "start" in period and self.local_end <= self.start.local:
                raise Rejected
        length = repeat.get("boundsDuration") or repeat.get("boundsRange", {}).get("high")
        if length is None and "duration" in repeat:
            length = {"value": repeat["duration"], "code": repeat["durationUnit"]}
        self.first = next(self.meaning.slots(self.start, zone))
        if length:
            self.lasts(length)
        self.count = repeat.get("count")

    def lasts(self, length):
        value, unit = length["value"], length["code"]
        first = self.meaning.local(self.first, self.zone)
        whole = value == int(value)
        steps = {"d": {"days": value}, "wk": {"weeks": value}, "mo": {"months": value}, "a": {"years": value}}
        if whole and unit in steps:
            parts = {name: int(number) for name, number in steps[unit].items()}
            self.local_end = first + relativedelta(**parts)
            self.resolved_end = resolve(self.local_end, self.zone)
            return
        hours = {"min": 1 / 60, "h": 1, "d": 24, "wk": 168}[unit] * value
        self.end = self.meaning.instant(self.first, self.zone) + timedelta(seconds=round(hours * 3600))

    def within(self, found):
        at, slot = found
        if self.end and at >= self.end:
            return False
        if isinstance(self.meaning, Elapsed):
            return not self.resolved_end or at < self.resolved_end
        return not self.local_end or slot < self.local_end

    def kept(self, until):
        """Its slots, up to those that the window's end or its own limits cut off for good."""
        # Where a gap puts instants out of order, a name two days later cannot come back.
        ends = [until, self.end, self.resolved_end]
        past = min(end for end in ends if end) + timedelta(days=2)
        slots = ((self.meaning.instant(slot, self.zone), slot) for slot in self.meaning.slots(self.start, self.zone))
        before = itertools.takewhile(lambda found: found[0] < past, slots)
        return itertools.islice(filter(self.within, before), self.count)

    def slots(self, low, high):
        """(instant, name) of those in a window."""
        for at, slot in self.kept(high):
            if low <= at < high:
                yield at, self.meaning.name(slot)

    def rank(self):
        """By the first slot's name. Names by the wall clock come first: beside an instant they have no order that
        would outlast a change of zone."""
        far = datetime(2060, 1, 1, tzinfo=UTC)
        first = next(self.kept(far), None)
        if first is None:
            raise Rejected
        return isinstance(self.meaning, Elapsed), first[1]

    def after(self):
        """The local date-time at which the next step starts; None without an end."""
        ends = []
        if self.local_end:
            ends.append(self.local_end)
        if self.end:
            ends.append(wall(self.end, self.zone))
        if self.count:
            beyond = next(itertools.islice(self.meaning.slots(self.start, self.zone), self.count, None))
            ends.append(self.meaning.local(beyond, self.zone))
        return min(ends) if ends else None


class Nothing:
    """What is taken as needed; it has no slot and ranks last."""

    sure = "none"

    def slots(self, _low, _high):
        return []

    def rank(self):
        return 2, None


class Events:
    """A list of moments."""

    def __init__(self, events, zone):
        self.found = set()
        self.sure = "exact"
        for text in events:
            moment = Start.read(text, zone)
            bare = datetime.fromisoformat(text.replace("Z", "+00:00")).tzinfo is None
            self.found.add((moment.at, ByClock.name(moment.local) if bare else iso(moment.at)))
        if len({at for at, _ in self.found}) < len(self.found) and len({n[-1] == "Z" for _, n in self.found}) > 1:
            raise Rejected

    def slots(self, low, high):
        return [(at, name) for at, name in self.found if low <= at < high]

    def rank(self):
        return ()


# --- drawing ----------------------------------------------------------------------------------------------------


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


# --- rows: one function per row of the mapping -------------------------------------------------------------------


def time_of_day(draw):
    times = draw.times(5)
    listed = draw.listed(times)
    repeat = {"timeOfDay": listed}
    if draw.chance.random() < 0.5:
        repeat.update(period=1, periodUnit="d")
        if len(listed) == len(times):
            draw.maybe(repeat, "frequency", len(times))
    return Rule(repeat, daily(times), "exact")


def time_of_day_every_n(draw):
    times, n = draw.times(3), draw.chance.choice([2, 3, 4, 5, 7, 10, 28])
    unit = draw.chance.choice(["d", "d", "wk"])
    listed = draw.listed(times)
    repeat = {"timeOfDay": listed, "period": n, "periodUnit": unit}
    if len(listed) == len(times) and unit == "d":
        draw.maybe(repeat, "frequency", len(times))
    if listed == [minutes(times[0])] and unit == "wk":
        draw.maybe(repeat, "frequency", 1)
    return Rule(repeat, daily(times, n * (7 if unit == "wk" else 1)), "exact")


def day_of_week(draw):
    days, times = draw.days(), draw.times(3)
    listed = draw.listed(times)
    repeat = {"dayOfWeek": draw.named(days), "timeOfDay": listed}
    form = draw.chance.choice(["absent", "d", "wk"])
    if form != "absent":
        repeat.update(period=1, periodUnit=form)
        if len(listed) == len(times):
            draw.maybe(repeat, "frequency", len(times) * (len(days) if form == "wk" else 1))
    return Rule(repeat, weekly(times, lambda _: days), "exact")


def day_of_week_default(draw):
    draw.tables()
    days = draw.days()
    repeat = {"dayOfWeek": draw.named(days)}
    n = 1
    form = draw.chance.choice(["absent", "d", "wk"])
    if form == "d":
        n = draw.chance.randint(1, 4)
        repeat.update(period=1, periodUnit="d", frequency=n)
    elif form == "wk":
        repeat.update(period=1, periodUnit="wk")
        draw.maybe(repeat, "frequency", len(days))
    return Rule(repeat, weekly(draw.table(n), lambda _: days), "defaulted")


def day_of_week_every_n(draw):
    days, n = draw.days(), draw.chance.choice([2, 2, 3, 4, 6])
    repeat = {"dayOfWeek": draw.named(days), "period": n, "periodUnit": "wk"}
    sure, times = "exact", draw.times(2)
    if draw.chance.random() < 0.25:
        draw.tables()
        sure, times = "defaulted", draw.table(1)
    else:
        repeat["timeOfDay"] = [minutes(of) for of in times]
    draw.maybe(repeat, "frequency", len(days) * len(times))
    return Rule(repeat, weekly(times, lambda _: days, n), sure)


def per_day(draw):
    draw.tables()
    n = draw.chance.choice([1, 2, 3, 4, 4, 5, 6, 7])
    repeat = {"frequency": n, "period": 1, "periodUnit": "d"}
    if n == 1:
        draw.maybe(repeat, "period", 1.0, 0.3)
    return Rule(repeat, daily(draw.table(n)), "review" if n > 4 else "defaulted")


def every_n_days(draw):
    draw.tables()
    n, unit = draw.chance.choice([(2, "d"), (3, "d"), (5, "d"), (14, "d"), (1, "wk"), (2, "wk"), (3, "wk")])
    repeat = {"period": n, "periodUnit": unit}
    draw.maybe(repeat, "frequency", 1)
    return Rule(repeat, daily(draw.table(1), n * (7 if unit == "wk" else 1)), "defaulted")


def per_week(draw):
    draw.tables()
    n = draw.chance.choice([1, 2, 3, 4, 5, 6, 7, 14, 21, 28])
    repeat = {"frequency": n, "period": 1, "periodUnit": "wk"}
    if n > 7:
        return Rule(repeat, daily(draw.table(n // 7)), "defaulted")
    offsets = PER_WEEK[n]
    meaning = weekly(draw.table(1), lambda day: [(day.weekday() + offset) % 7 for offset in offsets])
    return Rule(repeat, meaning, "defaulted")


def month_end(draw):
    """Month and year rules are interesting from the last days of a month."""
    if draw.chance.random() < 0.6:
        day = date.fromisoformat(draw.anchor[:10])
        if draw.chance.random() < 0.3:
            # The latest 29 February that is not after it.
            leap = next(y for y in range(day.year, 0, -1) if y % 4 == 0 and (y < day.year or day.month > 2))
            day = date(leap, 2, 29)
        else:
            day = (day.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=draw.chance.randrange(1, 4))
        draw.anchor = day.isoformat() + draw.anchor[10:]
    if draw.high - draw.low < timedelta(days=100):
        draw.high = draw.low + timedelta(days=draw.chance.choice([100, 400, 1500]))


def per_months(draw):
    month_end(draw)
    n = draw.chance.choice([1, 1, 1, 2, 3, 5, 6, 12, 18])
    repeat = {"period": n, "periodUnit": "mo"}
    draw.maybe(repeat, "frequency", 1)
    if draw.chance.random() < 0.5:
        of = draw.times(1)
        repeat["timeOfDay"] = [minutes(of[0])]
        return Rule(repeat, monthly(of, n), "exact")
    draw.tables()
    return Rule(repeat, monthly(draw.table(1), n), "defaulted")


def per_years(draw):
    month_end(draw)
    draw.high = draw.low + timedelta(days=draw.chance.choice([800, 2000, 3300]))
    n = draw.chance.choice([1, 1, 1, 2, 3, 4])
    repeat = {"period": n, "periodUnit": "a"}
    draw.maybe(repeat, "frequency", 1)
    if draw.chance.random() < 0.5:
        of = draw.times(1)
        repeat["timeOfDay"] = [minutes(of[0])]
        return Rule(repeat, yearly(of, n), "exact")
    draw.tables()
    return Rule(repeat, yearly(draw.table(1), n), "defaulted")


class Grid(ByClock):
    """Whole hours that divide a day: a grid of the start's time of day, which only the start knows."""

    def __init__(self, hours, origin):
        self.hours, self.origin = hours, origin

    def begin(self, start):
        return start.local.time() if start.timed else clock(self.origin)

    def slots(self, start, _zone):
        begin = datetime.combine(start.day, self.begin(start))
        if self.hours >= 24:
            rules = [rrule(DAILY, interval=self.hours // 24, dtstart=begin)]
        else:
            of_clock = {(begin + timedelta(hours=k)).time() for k in range(0, 24, self.hours)}
            rules = [rrule(DAILY, dtstart=datetime.combine(start.day, of)) for of in sorted(of_clock)]
        for slot in heapq.merge(*[iter(rule) for rule in rules]):
            if slot >= start.local:
                yield slot


def hour_grid(draw):
    draw.tables()
    hours = draw.chance.choice([1, 2, 3, 4, 6, 8, 12, 24, 48, 72, 168])
    repeat = {"period": hours, "periodUnit": "h"}
    draw_form = draw.chance.random()
    if draw_form < 0.3:
        repeat = {"period": hours * 60, "periodUnit": "min"}
    elif draw_form < 0.4 and hours in (6, 12):
        repeat = {"period": hours / 24, "periodUnit": "d"}
    draw.maybe(repeat, "frequency", 1)
    return Rule(repeat, Grid(hours, draw.origin()), "exact", timed=True)


def elapsed(draw):
    draw.tables()
    value, unit = draw.chance.choice([
        (5, "h"), (7, "h"), (9, "h"), (10, "h"), (16, "h"), (20, "h"), (25, "h"), (36, "h"), (96, "h"), (120, "h"),
        (1.5, "h"), (2.5, "h"), (90, "min"), (100, "min"), (61, "min"), (1000, "min"), (1.5, "d"), (2.5, "d"),
        (0.3, "d"), (0.5, "wk"), (1.5, "wk"), (0.25, "wk"), (4.5, "h"), (0.75, "d"), (30, "h"), (336, "h"),
    ])
    seconds = round({"h": 3600, "min": 60, "d": 86400, "wk": 604800}[unit] * value)
    repeat = {"period": value, "periodUnit": unit}
    draw.maybe(repeat, "frequency", 1)
    return Rule(repeat, Elapsed(seconds, draw.origin()), "exact", timed=True)


def codes(draw):
    draw.tables()
    word = draw.chance.choice(["QD", "BID", "TID", "QID", "AM", "PM", "QOD", "WK", "MO", "BED", "JB", "JE",
                               "Q1H", "Q2H", "Q3H", "Q4H", "Q6H", "Q8H"])
    if word == "BED":
        if draw.routine is None:
            draw.meals()
        _, table = SLEEP["HS"]
        of = [of_day((draw.routine or {}).get("bed", table))]
        return Rule({}, daily(of), "defaulted", code=word)
    if word[0] == "Q" and word[-1] == "H":
        return Rule({}, Grid(int(word[1:-1]), draw.origin()), "exact", code=word, timed=True)
    meaning = {
        "QD": lambda: daily(draw.table(1)), "BID": lambda: daily(draw.table(2)), "TID": lambda: daily(draw.table(3)),
        "QID": lambda: daily(draw.table(4)), "AM": lambda: daily([480]), "PM": lambda: daily([900]),
        "QOD": lambda: daily(draw.table(1), 2), "WK": lambda: daily(draw.table(1), 7),
        "MO": lambda: monthly(draw.table(1), 1), "JB": lambda: weekly(draw.table(1), lambda _: range(5)),
        "JE": lambda: weekly(draw.table(1), lambda _: [5, 6]),
    }[word]()
    return Rule({}, meaning, "defaulted", code=word)


def event_time(code, routine):
    """Minutes of the day, direction of an offset, default lead, whether the routine has it."""
    if code in PARTS:
        return of_day(PARTS[code]), 1, 0, False
    key, table = SLEEP[code] if code in SLEEP else MEALS[code[-1]]
    known = bool(routine) and key in routine
    of = of_day(routine[key] if known else table)
    before = code in ("ACM", "ACD", "ACV", "HS")
    lead = 30 if code in ("ACM", "ACD", "ACV") else 0
    return of, -1 if before else 1, lead, known


def when(draw, offsets=False, weekdays=False):
    draw.meals()
    before_after = ["ACM", "ACD", "ACV", "PCM", "PCD", "PCV"]
    generic = draw.chance.random() < 0.15
    if generic:
        given = [draw.chance.choice(["AC", "PC"] if offsets else ["C", "AC", "PC"])]
    else:
        pool = before_after + list(SLEEP) + list(PARTS) + ([] if offsets else ["CM", "CD", "CV"])
        given = draw.chance.sample(pool, draw.chance.choice([1, 1, 2, 2, 3, 4]))
    repeat = {"when": given}
    n = 1
    if not weekdays and draw.chance.random() < 0.6:
        n = draw.chance.choice([1, 1, 2, 3, 7])
        repeat.update(period=n, periodUnit="d")
    if "period" in repeat and not generic:
        draw.maybe(repeat, "frequency", len(given))
    if "period" in repeat and generic and n == 1:
        draw.maybe(repeat, "frequency", draw.chance.choice([1, 2, 3]))
    spelled = given
    if generic:
        meals = EVERY_MEAL[given[0]]
        spelled = {1: meals[:1], 2: [meals[0], meals[2]]}.get(repeat.get("frequency"), meals)
    offset = None
    if offsets:
        offset = draw.chance.choice([0, 10, 15, 30, 45, 60, 90, 120, 180, 300, 480, 600])
        repeat["offset"] = offset
    sure, times = "defaulted" if generic else "exact", set()
    for code in spelled:
        of, direction, lead, known = event_time(code, draw.routine)
        if not known or (offset is None and code in before_after):
            sure = "defaulted"
        times.add(of + direction * (lead if offset is None else offset))
    times = sorted(times)
    if len({of % 1440 for of in times}) < len(times):
        raise Rejected
    if weekdays:
        if times[0] < 0 or times[-1] >= 1440:
            raise Rejected
        days = draw.days()
        repeat["dayOfWeek"] = draw.named(days)
        return Rule(repeat, weekly(times, lambda _: days), sure)
    return Rule(repeat, daily(times, n), sure)


def when_offset(draw):
    return when(draw, offsets=True)


def when_weekdays(draw):
    return when(draw, weekdays=True)


def day_of_month(draw):
    if draw.high - draw.low < timedelta(days=60):
        draw.high = draw.low + timedelta(days=draw.chance.choice([60, 400]))
    days = sorted(draw.chance.sample(range(1, 32), draw.chance.choice([1, 1, 2, 3])))
    if draw.chance.random() < 0.3:
        days = sorted(set(days) | {draw.chance.choice([29, 30, 31])})
    repeat = {"extension": [{"url": CORE + "timing-dayOfMonth", "valuePositiveInt": day} for day in days]}
    weekdays, step = [], 1
    form = draw.chance.choice(["absent", "absent", "d", "mo", "weekdays"])
    if form == "weekdays":
        weekdays = draw.days()
        repeat["dayOfWeek"] = draw.named(weekdays)
    elif form == "d":
        repeat.update(period=1, periodUnit="d")
    elif form == "mo":
        step = draw.chance.choice([1, 1, 2, 3])
        repeat.update(period=step, periodUnit="mo")
    if draw.chance.random() < 0.7:
        times, sure = draw.times(2), "exact"
        repeat["timeOfDay"] = [minutes(of) for of in times]
    else:
        draw.tables()
        times, sure = draw.table(1), "defaulted"
    if form == "mo":
        draw.maybe(repeat, "frequency", len(days) * len(times))
    try:
        next(iter(of_month(times, days, weekdays, step).build(Start.read(draw.anchor, draw.zone).day)[0]))
    except StopIteration:
        raise Rejected from None
    return Rule(repeat, of_month(times, days, weekdays, step), sure)


def upper_limits(draw):
    """periodMax, frequencyMax, countMax, boundsRange, a duration that is the course's length."""
    form = draw.chance.choice(["period", "frequency", "count", "range", "duration"])
    times = draw.times(2)
    repeat = {"timeOfDay": [minutes(of) for of in times]}
    if form == "period":
        low = draw.chance.randint(1, 4)
        high = low + draw.chance.randint(1, 6)
        repeat.update(period=low, periodMax=high, periodUnit="d")
        return Rule(repeat, daily(times, high), "defaulted")
    if form == "frequency":
        draw.tables()
        n = draw.chance.randint(1, 3)
        repeat = {"frequency": n, "frequencyMax": n + 1, "period": 1, "periodUnit": "d"}
        return Rule(repeat, daily(draw.table(n)), "defaulted|review")
    if form == "count":
        count = draw.chance.randint(1, 9)
        repeat.update(count=count, countMax=count + draw.chance.randint(1, 5))
        return Rule(repeat, daily(times), "defaulted|review")
    if form == "range":
        low = draw.chance.randint(1, 5)
        unit = draw.chance.choice(["d", "wk"])
        repeat["boundsRange"] = {"low": {"value": low, "code": unit}, "high": {"value": low + 2, "code": unit}}
        return Rule(repeat, daily(times), "defaulted|review")
    n = draw.chance.randint(1, 3)
    repeat.update(period=n, periodUnit="d", duration=n * draw.chance.randint(1, 6), durationUnit="d")
    return Rule(repeat, daily(times, n), "defaulted")


def event_anchor(draw):
    """Exactly one event beside an unbounded rule is where the rule starts."""
    rule = draw.chance.choice([time_of_day, every_n_days, hour_grid, elapsed, day_of_week])(draw)
    if set(rule.repeat) == {"timeOfDay"}:
        rule.repeat.update(period=1, periodUnit="d")
    rule.event = [draw.moment(draw.some_start(), whole=0.3)]
    rule.sure = "defaulted"
    return rule


CLOCK_ROWS = [time_of_day, time_of_day_every_n, day_of_week, day_of_week_default, day_of_week_every_n, per_day,
              every_n_days, per_week, per_months, per_years, hour_grid, elapsed, codes, when, when_offset,
              when_weekdays, day_of_month]


def bounded(draw, rule, forms=("end", "both", "start", "duration", "duration"), counted=0.25):
    """Limits a rule."""
    repeat, chance = rule.repeat, draw.chance
    form = chance.choice(forms)
    near = wall(draw.focus, draw.zone)

    def limit(local, partial):
        """Often at the very second of a slot."""
        if chance.random() < 0.4:
            return draw.moment(local, 0, exactly=draw.slot_time(rule))
        return draw.moment(local, whole=0.4, partial=partial)

    if form in ("end", "both", "start"):
        period = {}
        if form != "end":
            period["start"] = limit(draw.some_start(), 0.15)
        if form != "start":
            later = near + timedelta(hours=chance.choice([-2, 0, 1, 5, 24, 50, 200]) * chance.random())
            period["end"] = limit(later, 0.1)
        repeat["boundsPeriod"] = period
    elif form == "duration":
        value, unit = chance.choice([
            (1, "d"), (2, "d"), (3, "d"), (10, "d"), (30, "d"), (1, "wk"), (2, "wk"), (1, "mo"), (2, "mo"), (1, "a"),
            (5, "h"), (24, "h"), (36, "h"), (48, "h"), (100, "h"), (1.5, "d"), (0.5, "wk"), (2000, "min")])
        repeat["boundsDuration"] = {"value": value, "unit": unit, "code": unit}
    if chance.random() < counted:
        repeat["count"] = chance.choice([1, 2, 3, 5, 8, 13, 30])
    return rule


def plain(row):
    def one(draw):
        rule = row(draw)
        chance = draw.chance.random()
        if chance < 0.35 and "duration" not in rule.repeat and "boundsRange" not in rule.repeat:
            if rule.event is None and row is not upper_limits:
                bounded(draw, rule)
        if draw.chance.random() < 0.06:
            rule.repeat.setdefault("extension", []).append({"url": CORE + "timing-exact", "valueBoolean": True})
        return [(None, rule)]
    one.__name__ = row.__name__
    return one


def counted(draw):
    rule = draw.chance.choice([time_of_day, day_of_week, hour_grid, elapsed, per_day, when_offset])(draw)
    rule.repeat["count"] = draw.chance.choice([1, 2, 3, 4, 7, 10, 20, 60])
    if draw.chance.random() < 0.5:
        bounded(draw, rule, counted=0)
    return [(None, rule)]


def bounds_period(draw):
    rule = draw.chance.choice(CLOCK_ROWS)(draw)
    return [(None, bounded(draw, rule, ("end", "both", "start")))]


def bounds_duration(draw):
    rule = draw.chance.choice(CLOCK_ROWS)(draw)
    return [(None, bounded(draw, rule, ("duration",)))]


def events(draw):
    chance = draw.chance
    given = []
    for _ in range(chance.choice([1, 2, 3, 6])):
        near = wall(draw.focus, draw.zone) + timedelta(minutes=15 * chance.randrange(-200, 200))
        given.append(draw.moment(near, whole=0))
    if chance.random() < 0.3:
        given.append(given[0])
    repeat = {}
    if chance.random() < 0.3:
        # Beside bounds a rule is only what the events came from.
        repeat = {"boundsDuration": {"value": 1, "code": "d"}, "frequency": 1, "period": 1, "periodUnit": "d"}
    return [(None, Rule(repeat, None, "exact", event=given))]


def side_by_side(draw):
    draw.settle()
    rows = [time_of_day, day_of_week, per_day, when, hour_grid, time_of_day_every_n]
    numbers = draw.chance.choice([None, None, 1])
    rules = []
    for _ in range(draw.chance.choice([2, 2, 3])):
        rule = draw.chance.choice(rows)(draw)
        if draw.chance.random() < 0.4:
            bounded(draw, rule, ("end", "both", "start", "duration"))
        rules.append((numbers, rule))
    return rules


def side_by_side_mixed(draw):
    """Names by the wall clock beside names by the instant."""
    draw.settle()
    rules = [(None, time_of_day(draw)), (None, elapsed(draw))]
    draw.chance.shuffle(rules)
    return rules


def as_needed(draw):
    """One dosage as needed beside one that is scheduled."""
    draw.settle()
    taken, scheduled = draw.chance.choice([time_of_day, per_day])(draw), draw.chance.choice(CLOCK_ROWS)(draw)
    taken.as_needed, scheduled.as_needed = True, draw.chance.choice([None, False])
    return [(None, taken), (None, scheduled)]


def steps(draw):
    draw.settle()
    rows = [time_of_day, per_day, every_n_days, hour_grid, elapsed, day_of_week, when_offset]
    chance = draw.chance
    amount = chance.choice([2, 2, 3, 4])
    numbers = sorted(chance.sample(range(1, 9), amount))
    rules = []
    for index, number in enumerate(numbers):
        for _ in range(chance.choice([1, 1, 1, 1, 2])):
            rule = chance.choice(rows)(draw)
            last = index + 1 == amount
            if not last or chance.random() < 0.5:
                if chance.random() < 0.4:
                    rule.repeat["count"] = chance.choice([1, 2, 3, 5, 9])
                else:
                    bounded(draw, rule, ("duration",), counted=0.2)
            rules.append((number, rule))
    return rules


ROWS = {row.__name__: plain(row) for row in [*CLOCK_ROWS, upper_limits, event_anchor]}
ROWS.update({row.__name__: row for row in
             [counted, bounds_period, bounds_duration, events, side_by_side, side_by_side_mixed, as_needed, steps]})


# --- a whole case -------------------------------------------------------------------------------------------------


def courses(rules, draw):
    """(sequence, course, dosage JSON) of each rule; steps follow each other."""
    anchor = Start.read(draw.anchor, draw.zone)
    made, start = [], anchor
    for number, group in itertools.groupby(sorted(rules, key=lambda pair: pair[0] or 0), key=lambda pair: pair[0]):
        ends = []
        for _, rule in group:
            if rule.as_needed:
                course = Nothing()
            elif rule.meaning is None:
                course = Events(rule.event, draw.zone)
            else:
                course = Course(rule, start, draw.zone)
                ends.append(course.after())
            dosage = {"timing": rule.timing()}
            if rule.as_needed is not None:
                dosage["asNeededBoolean"] = rule.as_needed
            if number is not None:
                dosage["sequence"] = number
            made.append((number, course, dosage))
        if ends and None not in ends:
            start = Start.at_local(max(ends), draw.zone)
    return made


def case(name, draw, most):
    rules = ROWS[name](draw)
    made = courses(rules, draw)
    ranked = []
    for _, group in itertools.groupby(made, key=lambda part: part[0]):
        group = list(group)
        if len(group) > 1:
            group.sort(key=lambda part: part[1].rank())
            ranks = [part[1].rank() for part in group]
            # Between two equal first slots the content decides, as the engine writes it.
            if any(one == other for one, other in zip(ranks, ranks[1:])):
                raise Rejected
        ranked += group
    found = []
    for number, (_, course, _) in enumerate(ranked, 1):
        suffix = "" if number == 1 else "#%d" % number
        found += [(at, number, slot, slot + suffix) for at, slot in course.slots(draw.low, draw.high)]
    occurrences = []
    for at, together in itertools.groupby(sorted(found), key=lambda one: one[0]):
        first, *others = [name for _, _, _, name in together]
        one = {"slot": first, "utc": iso(at)}
        local = wall(at, draw.zone).strftime("%Y-%m-%dT%H:%M:%S")
        if local != first.split("#")[0]:
            one["local"] = local
        if others:
            one["merged"] = others
        occurrences.append(one)
    if len(occurrences) > most:
        draw.high = datetime.fromisoformat(occurrences[most]["utc"].replace("Z", "+00:00"))
        occurrences = occurrences[:most]
    dosages = [dosage for _, _, dosage in made]
    draw.chance.shuffle(dosages)
    line = {"dosages": dosages, "zone": draw.zone, "anchor": draw.anchor, "from": iso(draw.low),
            "to": iso(draw.high)}
    if draw.routine:
        line["routine"] = draw.routine
    sure = max((course.sure for _, course, _ in made), key=SURE.index)
    line["expected"] = {"occurrences": occurrences, "confidence": sure}
    return line


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--most", type=int, default=60, help="occurrences of a case; a longer window is cut")
    parser.add_argument("--out", required=True)
    wanted = parser.parse_args()
    zoneinfo.reset_tzpath(to=[])
    if tzdata.IANA_VERSION != IANA:
        raise SystemExit("tzdata is %s, the expectations are for %s" % (tzdata.IANA_VERSION, IANA))
    chance = random.Random(wanted.seed)
    names = itertools.cycle(ROWS)
    tally, empty = collections.Counter(), 0
    with open(wanted.out, "w", encoding="utf-8") as out:
        for number in range(wanted.count):
            name = next(names)
            while True:
                try:
                    line = case(name, Draw(chance), wanted.most)
                except (Rejected, OverflowError, StopIteration):
                    continue
                # A window without a dose proves little; some are kept.
                if line["expected"]["occurrences"] or chance.random() < 0.06:
                    break
            empty += not line["expected"]["occurrences"]
            tally[name] += 1
            out.write(json.dumps({"id": "%s-%d" % (name, number), **line}, separators=(",", ":")) + "\n")
    for name, count in sorted(tally.items()):
        print("%-24s %d" % (name, count))
    print("%-24s %d (%d without a dose)" % ("all", sum(tally.values()), empty))


if __name__ == "__main__":
    main()
