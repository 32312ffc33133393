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
import itertools
import json
import random
from datetime import datetime

from clocks import Start, iso, wall
from combinations import ROWS
from draws import Draw
from meanings import Course, Events, Nothing, Rejected

SURE = ["none", "exact", "defaulted", "defaulted|review", "review"]


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
