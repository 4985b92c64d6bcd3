"""The rule that turns dates and times into times that can be in the same column.

Also the text of a time.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask_skmodels.exceptions import ModelError
from flask_skmodels.schema.types import Values

_OFFSET = re.compile(r"(?:UTC|pytz\.FixedOffset)?\(?([+-]?)(\d{1,4})(?::?(\d\d))?\)?")
_NANOSECOND_YEARS = range(1678, 2262)
_YEARS = range(1, 10_000)
_YEARS_WITH_ZONE = range(2, 9_999)  # in UTC, a time may be a day earlier or later

MIXED = "must have a time zone in all rows of a request, or in none"
WITH_ZONE = "must have no time zone: the model was fitted on times without one"
OUT_OF_RANGE = "is not in the range of times that the model takes"


def iso_time(seconds: float) -> str:
    """Return a time in UTC as ISO 8601.

    :param seconds: seconds since 1970
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


class TimeRule:
    """The rule for one column of dates and times.

    A date is the midnight at which it starts. If the model was fitted on times with a zone, all
    times are in that zone, and a time without a zone is read as local time in that zone: the first
    of the two times when clocks are put back. If the model was fitted on times without a zone, a
    time with a zone is refused. If it is not known, times with a zone are converted to UTC.

    :param zone: the time zone of the training data, None if it had none
    :param is_known: whether it is known if the training data had a zone
    :param unit: the unit of the times in X: ``"s"``, ``"ms"``, ``"us"`` or ``"ns"``
    :raises ModelError: the zone is unknown
    """

    def __init__(self, zone: str | None, *, is_known: bool, unit: str) -> None:
        self._zone = None if zone is None else zone_of(zone)
        self._is_known = is_known
        self._unit = unit

    def problems(self, values: Values) -> dict[int, str]:
        """Return a message for each row whose value cannot be in the column.

        :param values: dates and times, None for a missing value
        """
        problems: dict[int, str] = {}
        first: bool | None = None
        for row, value in enumerate(values):
            if value is None:
                continue
            has_zone = _has_zone(value)
            first = has_zone if first is None else first
            if has_zone and self._is_known and self._zone is None:
                problems[row] = WITH_ZONE
            elif has_zone != first:
                problems[row] = MIXED
            elif value.year not in self._years(has_zone):
                problems[row] = OUT_OF_RANGE
        return problems

    def times(self, values: Values) -> list[datetime | None]:
        """Return times that all have the zone UTC, or all have no zone.

        :param values: dates and times without :meth:`problems`, None for a missing value
        """
        return [None if value is None else self._time(value) for value in values]

    def _time(self, value: date) -> datetime:
        time = value if isinstance(value, datetime) else datetime(*value.timetuple()[:3])
        if _has_zone(time):
            return time.astimezone(UTC)
        time = time.replace(tzinfo=None)
        return time if self._zone is None else time.replace(tzinfo=self._zone).astimezone(UTC)

    def _years(self, has_zone: bool) -> range:
        if self._unit == "ns":
            return _NANOSECOND_YEARS
        return _YEARS_WITH_ZONE if has_zone or self._zone is not None else _YEARS


def zone_of(name: str) -> tzinfo:
    """Return the time zone of a name such as ``Europe/Oslo``, ``UTC`` or ``UTC+01:00``.

    :raises ModelError: there is no such zone
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        match = _OFFSET.fullmatch(name)
    if match is None:
        raise ModelError(f"the time zone {name!r} of its training data is unknown on this machine")
    sign, first, minutes = match.groups()
    in_minutes = int(first) if minutes is None else 60 * int(first) + int(minutes)
    return timezone(timedelta(minutes=-in_minutes if sign == "-" else in_minutes))


def _has_zone(value: date) -> bool:
    return isinstance(value, datetime) and value.utcoffset() is not None
