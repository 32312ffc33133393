"""What a timing means: RRULEs on naive local date-times, elapsed time, and the limits of both."""

import heapq
import itertools
from datetime import datetime, time, timedelta

from clocks import UTC, Start, clock, end_of, iso, resolve, wall
from dateutil.relativedelta import relativedelta
from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule, weekday


class Rejected(Exception):
    """The rules leave this case open; another is drawn."""


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
