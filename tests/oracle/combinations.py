"""Rows with limits, and several dosages beside and after each other."""

from datetime import timedelta

from clocks import wall
from meanings import Rule
from rows import (
    CORE, codes, day_of_month, day_of_week, day_of_week_default, day_of_week_every_n, elapsed, event_anchor,
    every_n_days, hour_grid, per_day, per_months, per_week, per_years, time_of_day, time_of_day_every_n, upper_limits,
    when, when_offset, when_weekdays,
)


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
