"""The values that the texts of a request stand for: numbers, booleans, dates, and blank values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from math import inf, nan
from typing import Final

TextReader = Callable[[str], object]

ABSENT: Final = object()
MAX_NUMBER_LENGTH = 400  # digits

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_NOT_FINITE = {"nan": nan, "inf": inf, "infinity": inf}
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True}
_BOOLEANS |= {"false": False, "0": False, "no": False, "off": False}


def read_blank(*, nullable: bool, has_default: bool, takes_text: bool, is_text: bool) -> object:
    """Return the value that an empty text stands for.

    :param nullable: whether the field may be missing
    :param has_default: whether the field has a default
    :param takes_text: whether a text is a valid value of the field
    :param is_text: whether all values came as text, as in a form or CSV
    :returns: None if the value is missing; :data:`ABSENT` if the field counts as not sent, so that
        its default applies; or the empty text
    """
    if nullable:
        return None if is_text else ""
    if has_default or (is_text and not takes_text):
        return ABSENT
    return ""


def read_number(text: str) -> object:
    """Return the number in a text, or the text itself if it is not a number.

    Blanks around the number are ignored. ``nan`` and ``inf`` are converted; the validation rejects
    them.
    """
    stripped = text.strip()
    if _INTEGER.fullmatch(stripped):
        number = read_integer(stripped)
        return -0.0 if number == 0 and stripped[0] == "-" else number
    if _NUMBER.fullmatch(stripped):
        return float(stripped)
    unsigned = _NOT_FINITE.get(stripped.lstrip("+-").lower())
    return text if unsigned is None else unsigned


def read_integer(text: str) -> object:
    """Return the integer in a text, or the text itself if it is not an integer.

    A number of more than 400 digits becomes infinity: its conversion would be slow, and validation
    rejects it either way.
    """
    stripped = text.strip()
    if not _INTEGER.fullmatch(stripped):
        return text
    return int(stripped) if len(stripped) <= MAX_NUMBER_LENGTH else inf


def read_boolean(text: str) -> object:
    """Return the boolean of a text (true, 1, yes, on; false, 0, no, off), or the text itself."""
    return _BOOLEANS.get(text.strip().lower(), text)


def read_datetime(text: str) -> object:
    """Return the date and time in a text in ISO 8601, or the text itself if it has none."""
    return _from_iso(datetime, text)


def read_date(text: str) -> object:
    """Return the date in a text in ISO 8601, or the text itself if it is not a date."""
    return _from_iso(date, text)


def _from_iso(kind: type[date], text: str) -> object:
    try:
        return kind.fromisoformat(text.strip())
    except ValueError:
        return text


def first_reading(readers: Iterable[TextReader], value: str) -> object:
    """Return the value of the first reader that can read a text, or the text itself if none can."""
    for reader in readers:
        reading = reader(value)
        if not isinstance(reading, str):
            return reading
    return value


def readers_of(types: Iterable[str], readers: Mapping[str, TextReader]) -> list[TextReader]:
    """Return the readers of some types, from :data:`TEXT_READERS` or :data:`ISO_READERS`."""
    return [readers[name] for name in types if name in readers]


ISO_READERS: dict[str, TextReader] = {"date": read_date, "datetime": read_datetime}
TEXT_READERS: dict[str, TextReader] = {
    "number": read_number,
    "float": read_number,
    "integer": read_integer,
    "boolean": read_boolean,
    **ISO_READERS,
}
