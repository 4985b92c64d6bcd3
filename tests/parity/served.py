"""A model behind HTTP, whose responses are compared with the estimator's output."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from flask_skmodels import SKModels
from flask_skmodels.config import DIALECTS
from flask_skmodels.estimators.introspect import methods
from tests.parity.estimators import Case
from tests.parity.formats import FORMATS, JSON, Format, Table, exact, plain, table

WHOLE_JSON = Format(JSON, lambda _: None, json.loads, lambda *_: None)
ONE, FEW, MANY = [7], [3, 11, 4], [*range(19, 3, -1), 2, 0]

# Fitted on a data frame, it warns of its own doing: score_samples makes an array of X and then
# calls kneighbors, which misses the names. The direct call warns as well.
WARNS = {"LocalOutlierFactor"}


@dataclass(eq=False)
class Served:
    """A case that an application serves, by every method that it has.

    :param may_warn: whether the estimator may warn, as in the direct call, that names are missing
    :param most_methods: the number of methods that are served, if not all
    :param parts: the indices of the rows of each request
    :raises ModelError: it cannot be served
    """

    case: Case
    may_warn: bool = False
    most_methods: int | None = None
    parts: Sequence[list[int]] = (ONE, FEW, MANY)
    methods: tuple[str, ...] = field(init=False)
    models: SKModels = field(init=False)
    app: Flask = field(init=False)
    client: FlaskClient = field(init=False)
    _own: dict[Any, Any] = field(default_factory=dict)
    _tables: dict[Any, Table] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.methods = methods(self.case.estimator)[: self.most_methods]
        models = SKModels()
        options = {} if self.case.profile is None else {"profile": self.case.profile}
        models.add(
            "case",
            self.case.estimator,
            methods=self.methods or None,
            schema=self.case.schema,
            **options,
        )
        self.models = models
        self.app = app = Flask("parity")
        app.config.update(SKMODELS_DIALECTS=DIALECTS, SKMODELS_MLFLOW_MODEL="case")
        models.init_app(app)
        self.client = app.test_client()

    def own(self, method: str, places: list[int]) -> tuple[Any, set[str]]:
        """Return what the estimator's method returns for some rows, and its warnings."""
        key = method, tuple(places)
        if key not in self._own:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                outputs = getattr(self.case.estimator, method)(self.case.rows(places))
            if (
                np.isscalar(outputs) or getattr(outputs, "ndim", 1) == 0
            ):  # scikit-lego's groups, for one row
                outputs = np.reshape(outputs, 1)
            if getattr(outputs, "ndim", 2) == 1 and len(outputs) != len(places):
                outputs = outputs[np.newaxis]  # SparsePCA gives the features of one row flat
            self._own[key] = outputs, {str(warning.message) for warning in caught}
        own: tuple[Any, set[str]] = self._own[key]
        return own

    def classes(self, method: str) -> Any:
        """Return what the columns of a method's output stand for."""
        if method not in ("predict_proba", "predict_log_proba", "decision_function"):
            return None
        found = getattr(self.case.estimator, "classes_", None)
        if isinstance(found, list):
            return [np.asarray(labels).tolist() for labels in found]
        return None if found is None else np.asarray(found).tolist()

    def table(self, places: list[int], *, shuffled: bool = False) -> Table:
        """Return some rows as a client sends them."""
        key = tuple(places), shuffled
        if key not in self._tables:
            names = tuple(self.case.schema or ())
            self._tables[key] = table(self.rows(places), shuffled=shuffled, names=names)
        return self._tables[key]

    def rows(self, places: list[int]) -> Any:
        """Return some rows in their container, with dates where the schema has dates."""
        rules, rows = self.case.schema or {}, self.case.rows(places)
        days = [name for name, rule in rules.items() if rule.get("type") == "date"]
        return rows.assign(**{name: rows[name].dt.date for name in days}) if days else rows

    def check(self, name: str) -> list[str]:
        """Hold every method, with one row and more, against the estimator in one format.

        :param name: of the format
        :returns: the methods and numbers of rows that were asked for
        """
        return [
            f"{method} of {len(places)}"
            for method in self.methods
            for places in self.parts
            if self._is_of(FORMATS[name], method, places)
            and self._check(FORMATS[name], method, places)
        ]

    def check_in_process(self) -> None:
        """Compare the results of calls in Python, with rows as mappings and in their container."""
        for method in self.methods:
            for places in self.parts:
                expected = exact(plain(self.own(method, places)[0]))
                shuffled = self.table(places, shuffled=len(places) > 1)
                rows = shuffled.records if shuffled.names is None else shuffled.objects
                for sent in (rows, self.rows(places)):
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        prediction = self.models.predict("case", sent, method, app=self.app)
                    got = exact(plain(prediction.outputs))
                    assert got == expected, (
                        f"{method} of {len(places)} rows: {got} is not {expected}"
                    )

    def check_document(self) -> None:
        """Hold JSON of rows, and what every method answers to it, against the API document."""
        document = self.client.get("/-/openapi.json").get_json()
        for method in self.methods:
            operation = document["paths"][f"/case/{method}/"]["post"]
            rows = self.table(FEW).objects
            said = self.own(method, FEW)[1]
            response = self._ask(WHOLE_JSON, method, json.dumps(rows).encode(), said)
            pairs = (operation["requestBody"], rows), (operation["responses"]["200"], response)
            for told, body in pairs:
                schema = told["content"]["application/json"]["schema"]
                Draft202012Validator({**document, **schema}).validate(body)

    def _is_of(self, media: Format, method: str, places: list[int]) -> bool:
        is_asked = method == self.methods[0] or not media.is_of_default
        return is_asked and len(places) in media.counts

    def _check(self, media: Format, method: str, places: list[int]) -> bool:
        shuffled = len(places) > 1 and media is not FORMATS["JSON arrays"]
        body = media.body(self.table(places, shuffled=shuffled))
        if body is None:
            return False
        outputs, said = self.own(method, places)
        got = self._ask(media, method, body, said)
        expected = media.expected(outputs, self.classes(method))
        assert got == expected, f"{method} of {len(places)} rows: {got!r} is not {expected!r}"
        return True

    def _ask(self, media: Format, method: str, body: bytes, said: set[str]) -> Any:
        headers = {"Accept": media.accept} if media.accept else {}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            data, more = media.prepared(body, method)
            response = self.client.post(
                media.path.format(method=method),
                data=data,
                content_type=media.content_type,
                headers={**headers, **more},
            )
        warned = {str(warning.message) for warning in caught}
        assert response.status_code == 200, f"{method}: {response.text}\n{body[:300]!r}"
        assert warned <= said, f"{method} warns: {warned}"
        about_names = [text for text in warned if "valid feature names" in text]
        assert not about_names or self.may_warn, about_names
        return media.read(response.data)


_SERVED: dict[int, Served] = {}


def served(case: Case) -> Served:
    """Return a case behind HTTP, the same for the same case."""
    if id(case) not in _SERVED:
        _SERVED[id(case)] = Served(case, may_warn=case.name in WARNS)
    return _SERVED[id(case)]
