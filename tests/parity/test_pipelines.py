"""Real pipelines and other libraries' estimators: the response has their output."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pytest

from tests.parity import data
from tests.parity.formats import ARROW, FORMATS, columns, exact, table
from tests.parity.pipelines import MAKERS, ONE_OF_EACH_KIND, pipeline_case
from tests.parity.served import MANY, served
from tests.support.selection import cases


@pytest.mark.parametrize("media", FORMATS)
@pytest.mark.parametrize("name", cases(MAKERS, quick=ONE_OF_EACH_KIND))
def test_the_answer_is_the_pipelines_own(name: str, media: str) -> None:
    done = served(pipeline_case(name)).check(media)
    assert done or media == "CSV without header"


@pytest.mark.parametrize(
    "name", ["iris: feature union and selection", "iris: scaler with data frame output"]
)
def test_narrow_floats_of_arrow_stay_narrow(name: str) -> None:
    case = pipeline_case(name)
    rows = case.rows(MANY).astype(np.float32)
    method = served(case).methods[-1]
    values = rows if isinstance(rows, np.ndarray) else rows.to_numpy()
    names = [str(name) for name in getattr(rows, "columns", range(values.shape[1]))]
    sent = pa.table({name: pa.array(values[:, i]) for i, name in enumerate(names)})
    out = io.BytesIO()
    with pa.ipc.new_stream(out, sent.schema) as stream:
        stream.write_table(sent)
    response = served(case).client.post(f"/case/{method}/", data=out.getvalue(), content_type=ARROW)
    got = pa.ipc.open_stream(response.data).read_all().to_pydict()
    outputs = getattr(case.estimator, method)(rows)
    assert exact(got) == exact(columns(outputs, served(case).classes(method)))


def test_columns_that_are_dropped_may_be_left_out() -> None:
    case = pipeline_case("penguins: dropped remainder")
    rows = table(case.rows(MANY)).objects
    kept = [{name: row[name] for name in data.NUMBERS[:2]} for row in rows]
    documents: list[Any] = [
        served(case).client.post("/case/predict_proba/", json=sent).json for sent in (rows, kept)
    ]
    assert documents[0] == documents[1]
    assert len(documents[0]["predictions"]) == len(MANY)
