"""What each server is sent for a workload, by the name of the format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks import payloads
from benchmarks.payloads import Exchange, exchange
from benchmarks.workloads import Workload

RECORD = "JSON"
ROWS = "JSON rows"
COLUMNS = "JSON columns"
FLAT = "JSON flat"
CSV = "CSV"
ARROW = "Arrow"

Exchanges = Mapping[str, Exchange]


def library(workload: Workload) -> Exchanges:
    path = f"/{workload.model}/{workload.method}/"
    read = payloads.predictions
    if workload.rows == 1:
        return {RECORD: exchange(workload, path, payloads.record, read)}
    return {
        ROWS: exchange(workload, path, payloads.rows, read),
        COLUMNS: exchange(workload, path, payloads.columns, read),
        CSV: exchange(workload, path, payloads.csv, payloads.from_csv, payloads.CSV),
        ARROW: exchange(workload, path, payloads.arrow, payloads.from_arrow, payloads.ARROW),
    }


def library_one_row(workload: Workload) -> Exchanges:
    return library(workload) if workload.rows == 1 else {}


def rows_and_columns(workload: Workload) -> Exchanges:
    full = library(workload)
    return {name: full[name] for name in (ROWS, COLUMNS) if name in full}


def by_number_of_rows(workload: Workload) -> Exchanges:
    full = library(workload)
    return {name: full[name] for name in (RECORD, ROWS, COLUMNS, ARROW) if name in full}


def hello(workload: Workload) -> Exchanges:
    return {RECORD: Exchange("/", "", (b"",), (["Hello, World!"],), lambda body: [body.decode()])}


def hello_json(workload: Workload) -> Exchanges:
    if workload.rows != 1:
        return {}
    asked = exchange(workload, "/predict", payloads.record, payloads.predictions)
    return {RECORD: replace(asked, expected=tuple([0] for _ in asked.bodies))}


def by_hand(workload: Workload) -> Exchanges:
    if workload.coded is not None:
        return {}
    if workload.rows == 1:
        return {RECORD: exchange(workload, "/predict", payloads.record, payloads.predictions)}
    return {ROWS: exchange(workload, "/predict", payloads.rows, payloads.predictions)}


def one_row_only(workload: Workload) -> Exchanges:
    return by_hand(workload) if workload.rows == 1 else {}


def fastapi(workload: Workload) -> Exchanges:
    if workload.rows == 1:
        return by_hand(workload)
    return {ROWS: exchange(workload, "/predict-many", payloads.rows, payloads.predictions)}


def open_inference(workload: Workload) -> Exchanges:
    if workload.coded is not None:  # MLServer's runtime for LightGBM returns probabilities
        booster = replace(workload.coded, method="predict_proba")
        asked = _one_tensor(booster)
        positive = tuple([both[1] for both in expected] for expected in asked.expected)
        return {RECORD: replace(asked, expected=positive)}
    path = f"/v2/models/{workload.model}/infer"
    encode = payloads.column_tensors if workload.has_texts else payloads.flat_tensor
    name = RECORD if workload.rows == 1 else FLAT
    return {name: exchange(workload, path, encode, payloads.tensor)}


def _one_tensor(workload: Workload) -> Exchange:
    path = f"/v2/models/{workload.model}/infer"
    return exchange(workload, path, payloads.flat_tensor, payloads.tensor)


def open_inference_one_row(workload: Workload) -> Exchanges:
    return open_inference(workload) if workload.rows == 1 else {}


def invocations(workload: Workload) -> Exchanges:
    workload = workload.coded or workload
    encode = payloads.named("inputs", payloads.plain)
    if workload.has_texts:
        encode = payloads.named("dataframe_split", payloads.split)
    name = RECORD if workload.rows == 1 else ROWS
    found = {name: exchange(workload, "/invocations", encode, payloads.predictions)}
    if workload.rows > 1:
        csv = (payloads.csv, payloads.predictions, payloads.CSV)
        found[CSV] = exchange(workload, "/invocations", *csv)
    return found


def bentoml(workload: Workload) -> Exchanges:
    if workload.coded is not None:
        return {}
    encode = payloads.records if workload.has_texts else payloads.plain
    name = RECORD if workload.rows == 1 else ROWS
    return {
        name: exchange(workload, "/predict", payloads.named("rows", encode), payloads.bare_list)
    }


def litserve(workload: Workload) -> Exchanges:
    if workload.coded is not None:
        return {}
    encode = payloads.named("rows", payloads.plain)
    name = RECORD if workload.rows == 1 else ROWS
    return {name: exchange(workload, "/predict", encode, payloads.predictions)}
