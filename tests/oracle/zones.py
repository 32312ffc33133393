#!/usr/bin/env python3
"""When the doses of every zone are due around every change of its clocks, by Python's zoneinfo.

Pinned: Python 3.11, tzdata 2026.6 (IANA 2026f); another release is refused.

    zones.py tests/data/timing/zones.txt

One line per zone: its name, the number of changes from 2020 to 2037, and the first 16 hex digits of the SHA-256 of
the instants of its doses, in UTC seconds, one per line: for each change in order, a dose each quarter of an hour
from the midnight that begins the local day before the change (by the offset before it), for three days; then, for
each year, noon on 1 January and on 1 July. A gap is shifted forward, of a fold the first is taken.
"""

import hashlib
import sys
import zoneinfo
from datetime import datetime, timedelta

from clocks import IANA, UTC, every_zone

FROM, TO = datetime(2020, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)


def changes(zone):
    """First instants of a new offset, with the offset before."""
    at, step = FROM, timedelta(hours=3)
    offset = at.astimezone(zone).utcoffset()
    while at < TO:
        if (at + step).astimezone(zone).utcoffset() != offset:
            low, high = 0, int(step.total_seconds())
            while high - low > 1:
                middle = (low + high) // 2
                if (at + timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset:
                    low = middle
                else:
                    high = middle
            at += timedelta(seconds=high)
            yield at, offset
            offset = at.astimezone(zone).utcoffset()
        else:
            at += step


def seconds(local, zone):
    return int(local.replace(tzinfo=zone, fold=0).timestamp())


def sequence(zone):
    number, found = 0, []
    for at, offset in changes(zone):
        number += 1
        before = (at + offset).replace(tzinfo=None)
        first = datetime(before.year, before.month, before.day) - timedelta(days=1)
        found += [seconds(first + timedelta(minutes=15 * quarter), zone) for quarter in range(3 * 96)]
    for year in range(2020, 2038):
        found += [seconds(datetime(year, month, 1, 12), zone) for month in (1, 7)]
    return number, found


def main():
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write("IANA %s\n" % IANA)
        for name in every_zone():
            number, found = sequence(zoneinfo.ZoneInfo(name))
            text = "".join("%d\n" % at for at in found)
            out.write("%s %d %s\n" % (name, number, hashlib.sha256(text.encode()).hexdigest()[:16]))


if __name__ == "__main__":
    main()
