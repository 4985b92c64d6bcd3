"""Validation at the speed of columns, against a loop of Cerberus on the same rows.

``pytest benchmarks -o python_files='bench_*.py' -s`` prints the ratios. The two sides of a ratio
are timed in turn, round by round, and the ratio is given as its median over the rounds with the
lowest and the highest: machines are noisy, and the noise is common to a round.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import cerberus

from flask_skmodels import InvalidInput
from flask_skmodels.schema.fields import InputColumn, Inputs
from flask_skmodels.schema.rows import Columns, Rows
from flask_skmodels.schema.schema import FixedSchema

ROUNDS = 11
RULES = {"type": "number", "min": -100, "max": 100}


def seconds(call: Callable[[], Any], times: int = 1) -> float:
    started = perf_counter()
    for _ in range(times):
        call()
    return (perf_counter() - started) / times


def ratios(slow: Callable[[], float], fast: Callable[[], float]) -> list[float]:
    return sorted(slow() / fast() for _ in range(ROUNDS))


def report(name: str, found: list[float], wanted: str) -> None:
    spread = f"{found[0]:.2f} to {found[-1]:.2f}"
    print(f"\n{name}: {median(found):.2f} ({spread}); to reach: {wanted}")


def schema_of(fields: int) -> tuple[FixedSchema, cerberus.Validator]:
    names = [f"f{place}" for place in range(fields)]
    columns = tuple(InputColumn(name=name) for name in names)
    schema = FixedSchema(dict.fromkeys(names, RULES), Inputs(columns=columns, named=True))
    law = cerberus.Validator({name: {**RULES, "required": True} for name in names})
    return schema, law


def records_of(fields: int, rows: int) -> list[dict[str, Any]]:
    source = random.Random(0)
    return [{f"f{i}": source.gauss(0, 1) for i in range(fields)} for _ in range(rows)]


def rejected(schema: FixedSchema, records: list[dict[str, Any]]) -> InvalidInput:
    try:
        schema.clean(Rows(records))
    except InvalidInput as exception:
        return exception
    raise AssertionError("the rows were to be refused")


def law_seconds(law: cerberus.Validator, records: list[dict[str, Any]]) -> float:
    return seconds(lambda: [law.validate(record) for record in records])


def test_one_row(benchmark: Any) -> None:
    schema, law = schema_of(4)
    record = records_of(4, 1)[0]
    found = ratios(
        lambda: seconds(lambda: law.validate(record), 300),
        lambda: seconds(lambda: schema.clean(Rows([record])), 3000),
    )
    report("one row of 4, Cerberus / here", found, "50")
    benchmark(lambda: schema.clean(Rows([record])))


def test_records(benchmark: Any) -> None:
    schema, law = schema_of(20)
    records = records_of(20, 10_000)
    found = ratios(
        lambda: law_seconds(law, records[:500]) * 20,
        lambda: seconds(lambda: schema.clean(Rows(records))),
    )
    report("10,000 records of 20, Cerberus / here", found, "300")
    benchmark(lambda: schema.clean(Rows(records)))


def test_columns(benchmark: Any) -> None:
    schema, law = schema_of(20)
    records = records_of(20, 10_000)
    columns = {name: [record[name] for record in records] for name in records[0]}
    found = ratios(
        lambda: law_seconds(law, records[:500]) * 20,
        lambda: seconds(lambda: schema.clean(Columns(columns))),
    )
    report("10,000 x 20 by column, Cerberus / here", found, "500")
    benchmark(lambda: schema.clean(Columns(columns)))


def test_one_row_in_a_hundred_bad(benchmark: Any) -> None:
    schema, law = schema_of(20)
    good = records_of(20, 10_000)
    bad = [record | {"f3": "x"} if row % 100 == 0 else record for row, record in enumerate(good)]
    assert rejected(schema, bad).error_count == 100
    refused = [record for record in bad if record["f3"] == "x"]
    found = sorted(
        (seconds(lambda: rejected(schema, bad)) - law_seconds(law, refused))
        / seconds(lambda: schema.clean(Rows(good)))
        for _ in range(ROUNDS)
    )
    report("1 % bad, less Cerberus on these / all good", found, "3 at most")
    benchmark(lambda: rejected(schema, bad))
