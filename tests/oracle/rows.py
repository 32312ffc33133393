"""One function per row of the mapping from Timing to RRULE: draws a timing and says what it means."""

from datetime import date, timedelta

from clocks import Start, minutes
from meanings import (
    Elapsed, Grid, Rejected, Rule, daily, monthly, of_day, of_month, weekly, yearly,
)

CORE = "http://hl7.org/fhir/StructureDefinition/"
PER_WEEK = {1: [0], 2: [0, 3], 3: [0, 2, 4], 4: [0, 2, 4, 6], 5: [0, 1, 2, 3, 4], 6: [0, 1, 2, 3, 4, 5],
            7: [0, 1, 2, 3, 4, 5, 6]}
MEALS = {"M": ("breakfast", "08:00"), "D": ("lunch", "13:00"), "V": ("dinner", "19:00")}
SLEEP = {"WAKE": ("wake", "07:00"), "HS": ("bed", "22:00"), "PHS": ("bed", "22:00"), "NIGHT": ("bed", "22:00")}
PARTS = {"MORN": "08:00", "MORN.early": "06:30", "MORN.late": "10:30", "NOON": "12:00", "AFT": "15:00",
         "EVE": "18:30"}
EVERY_MEAL = {"C": ["CM", "CD", "CV"], "AC": ["ACM", "ACD", "ACV"], "PC": ["PCM", "PCD", "PCV"]}


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
    return per_calendar(draw, "mo", [1, 1, 1, 2, 3, 5, 6, 12, 18], monthly)


def per_years(draw):
    month_end(draw)
    draw.high = draw.low + timedelta(days=draw.chance.choice([800, 2000, 3300]))
    return per_calendar(draw, "a", [1, 1, 1, 2, 3, 4], yearly)


def per_calendar(draw, unit, every, meaning):
    """Once in so many months or years, at a given time of day or at the routine's."""
    n = draw.chance.choice(every)
    repeat = {"period": n, "periodUnit": unit}
    draw.maybe(repeat, "frequency", 1)
    if draw.chance.random() < 0.5:
        of = draw.times(1)
        repeat["timeOfDay"] = [minutes(of[0])]
        return Rule(repeat, meaning(of, n), "exact")
    draw.tables()
    return Rule(repeat, meaning(draw.table(1), n), "defaulted")


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
