"""Zones and FHIR's dates, by Python's zoneinfo and the pinned release of the rules."""

import zoneinfo
from datetime import datetime, time, timedelta, timezone
from functools import lru_cache

import tzdata
from dateutil.relativedelta import relativedelta

IANA = "2026f"
UTC = timezone.utc

zoneinfo.reset_tzpath(to=[])
if tzdata.IANA_VERSION != IANA:
    raise SystemExit("tzdata is %s, the expectations are for %s" % (tzdata.IANA_VERSION, IANA))


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
