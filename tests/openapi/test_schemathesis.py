"""Requests drawn from the API document: the responses match the document."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import negative_data_rejection, positive_data_acceptance

from tests.support import described_models
from tests.support.helpers import FIELDS

if TYPE_CHECKING:
    from schemathesis import Case
    from schemathesis.schemas import APIOperation


pytestmark = pytest.mark.full

CASES = 200  # a model
ARROW = "application/vnd.apache.arrow"
CELLS = st.one_of(
    st.floats(-1, 101),
    st.integers(-1, 101),
    st.sampled_from(["", "x", "1e400", "nan", "-0", " 1 ", '"1"', '"', "Dream", "2009-11-01"]),
)
HEADERS = (FIELDS, ("island", "mass"), ("island", "mass", "seen"), ("a", "b"), ("x0", "x1"))


Found = Counter[int]


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[str, ...], list[list[Any]]]:
    """Return the names and the columns of a table that some model may take."""
    names = draw(st.sampled_from(HEADERS))
    count = draw(st.integers(0, 4))
    cells = st.lists(CELLS, min_size=count, max_size=count)
    return names, [draw(cells) for _ in names]


def csv_of(table: tuple[tuple[str, ...], list[list[Any]]]) -> bytes:
    names, columns = table
    rows = [names, *zip(*columns, strict=True)]
    return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()


def ndjson_of(table: tuple[tuple[str, ...], list[list[Any]]]) -> bytes:
    names, columns = table
    rows = (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def arrow_of(table: tuple[tuple[str, ...], list[list[Any]]], kind: str) -> bytes:
    names, columns = table
    arrays = [numbers(column) for column in columns]
    found = pa.Table.from_arrays(arrays, names=list(names))
    sink = io.BytesIO()
    new = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
    with new(sink, found.schema) as writer:
        writer.write_table(found)
    return sink.getvalue()


def numbers(column: list[Any]) -> Any:
    """Return a column as Arrow's, of texts where one of them is a text."""
    if any(isinstance(cell, str) for cell in column):
        return pa.array([str(cell) for cell in column])
    return pa.array(column, pa.float64())


def bodies(write: Callable[[Any], bytes]) -> st.SearchStrategy[bytes]:
    """Return bodies of a type: whole, cut off, or anything."""
    whole = tables().map(write)
    return st.one_of(whole, whole.map(lambda body: body[: len(body) // 2]), st.binary(max_size=20))


@pytest.fixture(scope="module", autouse=True)
def types() -> None:
    """What the tool cannot draw by itself, for the whole process."""
    schemathesis.openapi.media_type("text/csv", bodies(csv_of))
    schemathesis.openapi.media_type("application/x-ndjson", bodies(ndjson_of))
    for kind in ("stream", "file"):
        write = partial(arrow_of, kind=kind)
        schemathesis.openapi.media_type(f"{ARROW}.{kind}", bodies(write))


class Packed:
    """Packs every other body that says that it is, as a client would do.

    :param application: what is asked
    """

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        pack: dict[str | None, Callable[[bytes], bytes]] = {
            "gzip": gzip.compress,
            "deflate": zlib.compress,
        }
        coding = environ.get("HTTP_CONTENT_ENCODING")
        if coding in pack:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            body = pack[coding](body) if len(body) % 2 else body
            environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return self.application(environ, start_response)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Any:
    app = described_models.application(tmp_path_factory.mktemp("models"))
    app.wsgi_app = Packed(app.wsgi_app)  # type: ignore[method-assign]
    return schemathesis.openapi.from_wsgi("/-/openapi.json", app)


def operations(api: Any, prefix: str) -> Iterator[APIOperation[Any, Any, Any, Any]]:
    for result in api.get_all_operations():
        if result.ok().path.startswith(prefix):
            yield result.ok()


def left_out(case: Case[Any]) -> list[Any]:
    """Return the checks that do not hold for a request."""
    # What a schema cannot say may be wrong too: columns that differ in their length.
    checks = [positive_data_acceptance]
    is_form = case.media_type == "application/x-www-form-urlencoded"
    # An empty text in a form is a missing value; a list of no codings is one (RFC 9110).
    has_empty = is_form and isinstance(case.body, dict) and "" in map(str, case.body.values())
    if has_empty or case.headers.get("Content-Encoding") == "":
        checks.append(negative_data_rejection)
    return checks


def hold(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, count: int) -> Found:
    """Hold the answers of an operation against the document.

    :param mode: whether the requests are to be right or wrong
    :param count: how many are sent
    :returns: how often each status came
    """
    found: Found = Counter()

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case[Any]) -> None:
        response = case.call()
        found[response.status_code] += 1
        case.validate_response(response, excluded_checks=left_out(case))

    check()
    return found


@pytest.mark.parametrize("name", described_models.NAMES)
def test_predictions_match_the_document(api: Any, name: str) -> None:
    own = [each for each in operations(api, f"/{name}/") if each.method == "post"]
    found: Found = Counter()
    for operation in own:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            found += hold(operation, mode, ceil(CASES / len(own) / 2))
    assert found.total() >= CASES
    assert {200, 400, 415} <= set(found)
    assert max(found) < 500


def test_other_responses_match_the_document(api: Any) -> None:
    for operation in operations(api, "/"):
        if operation.method == "get":
            assert set(hold(operation, GenerationMode.POSITIVE, 40)) == {200}
