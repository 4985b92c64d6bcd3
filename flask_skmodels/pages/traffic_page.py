"""The page ``/{name}/traffic/``: the recent traffic of a model.

The template ``traffic.html`` has its sections, ``traffic_statistics`` computes their numbers, and
``charts`` draws them.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.pages import charts, traffic_charts, traffic_statistics
from flask_skmodels.pages.error_words import rule_in_words
from flask_skmodels.pages.input_form import InputForm, labels_of
from flask_skmodels.pages.page import HIDDEN, Page, chosen_label, has_drift, recent_traffic_of
from flask_skmodels.pages.traffic_statistics import Scope
from flask_skmodels.pages.value_texts import format_value, plain_text
from flask_skmodels.schema.types import JSONMapping, JSONObject
from flask_skmodels.state import State
from flask_skmodels.telemetry.drift.shared_counts import directory
from flask_skmodels.telemetry.recent_traffic import is_measured
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.http_errors import NoSuchVersion

MAX_VERSIONS = 50  # versions that can be chosen
_NOT_KEPT = "Of a request, only numbers, yes or no, and values from a fixed list are kept."


class TrafficPage(Page):
    """``GET /{name}/traffic/``: the traffic of a model, of all its versions or of one.

    :param state: the extension on this application
    :param deployment: the model
    """

    template = "traffic.html"

    def __init__(self, state: State, deployment: Deployment) -> None:
        super().__init__(state)
        self._deployment = deployment

    def context(self, exchange: Exchange) -> JSONObject:
        traffic = self.document(exchange)
        live = self._deployment.versions.live
        return {
            "name": self._deployment.name,
            "live": None if live is None else live.label,
            "traffic": traffic,
            "uncounted": self._uncounted(exchange, traffic),
            "counted_method": self._counted_method(exchange, traffic),
            "labels": self._labels() if self._deployment.versions.is_folder else [],
            "has_drift": has_drift(self.state, self._deployment),
            "charts": traffic_charts.hour_charts(traffic["minutes"]),
            "rejected": _by_field(traffic["rejected"]),
            "rule_in_words": rule_in_words,
            "field_labels": self._field_labels(),
            "histogram": charts.histogram,
            "bar_width": charts.bar_width,
            "range_bar": charts.range_bar,
            "format_value": format_value,
            "plain_text": plain_text,
        }

    def document(self, exchange: Exchange) -> JSONMapping:
        deployment = self._deployment
        details = traffic_statistics.details(recent_traffic_of(self.state), self._scope(exchange))
        if deployment.versions.is_folder:
            details["shares"] = dict(deployment.model.traffic or {})
        if deployment.shadow is not None:
            details["shadow"] = deployment.shadow.summary()
        return details

    def _scope(self, exchange: Exchange) -> Scope:
        """Return the part of the traffic that the visitor has chosen.

        :raises NoSuchVersion: the model has no such version
        """
        state, deployment = self.state, self._deployment
        chosen = chosen_label(deployment, exchange)
        labels = self._labels()
        if chosen is not None and chosen not in labels:
            raise NoSuchVersion
        version = self._version(exchange)
        is_shared = directory() is not None
        drift = state.drift if is_shared and version is not None else None
        return Scope(
            deployment=deployment,
            labels=[chosen] if chosen else labels,
            version=version,
            is_filtered=bool(chosen),
            metrics=state.metrics if is_shared else None,
            report=None if drift is None else drift.report(deployment, version),
        )

    def _field_labels(self) -> dict[str, str]:
        return labels_of(self._deployment.versions.live, self.state.settings.hidden_fields)

    def _uncounted(self, exchange: Exchange, traffic: JSONMapping) -> list[tuple[str, list[str]]]:
        """Return each reason why values are not counted, with the labels of these fields."""
        version = self._version(exchange)
        if version is None:
            return []
        form = InputForm.of(version, self.state.settings.hidden_fields)
        counted = {each["field"] for each in traffic["inputs"]}
        labels: dict[str, list[str]] = {_NOT_KEPT: [], HIDDEN: []}
        fields = [each for each in form.fields if each.name in form.labels]  # not with a text area
        for field in fields:
            is_hidden = field.name in form.hidden_names
            if field.name not in counted and (is_hidden or not is_measured(field)):
                labels[HIDDEN if is_hidden else _NOT_KEPT].append(form.labels[field.name][0])
        return [pair for pair in labels.items() if pair[1]]

    def _counted_method(self, exchange: Exchange, traffic: JSONMapping) -> str | None:
        """Return the method whose predictions are counted, None if all methods are counted."""
        version = self._version(exchange)
        if version is None or traffic["are_distributions_shared"] or len(version.methods) == 1:
            return None
        return version.default_method

    def _version(self, exchange: Exchange) -> ModelVersion | None:
        """Return the version that the visitor has chosen, or the live one; None if not loaded."""
        versions, chosen = self._deployment.versions, chosen_label(self._deployment, exchange)
        return versions.live if chosen is None else versions.loaded(chosen)

    def _labels(self) -> list[str | None]:
        """Return the labels of the versions that may have had traffic."""
        versions, model = self._deployment.versions, self._deployment.model
        if not versions.is_folder:
            return [None]
        recent = recent_traffic_of(self.state).versions(self._deployment.name)
        live = [] if versions.live is None else [versions.live.label]
        described = [each["version"] for each in versions.describe()]
        known = dict.fromkeys([*live, *(model.traffic or {}), *recent, *described])
        return list(known)[:MAX_VERSIONS]


def _by_field(rejected: Sequence[JSONObject]) -> list[tuple[str, int, list[JSONObject]]]:
    """Return the errors of each field with their sum, the field with the most errors first."""
    fields: dict[str | None, list[JSONObject]] = {}
    for each in rejected:
        fields.setdefault(each["field"], []).append(each)
    sums = [(name or "the request", sum(e["count"] for e in es), es) for name, es in fields.items()]
    return sorted(sums, key=lambda entry: -entry[1])
