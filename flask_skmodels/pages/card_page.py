"""The page ``/{name}/card/``: a description of a model for those who decide about it."""

from __future__ import annotations

from flask import Response

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.pages import code_samples
from flask_skmodels.pages.input_form import InputForm
from flask_skmodels.pages.model_card import (
    NO_SCORE,
    CardSources,
    certainty_sentence,
    markdown,
    model_card,
    prediction_sentence,
    training_sentence,
    typical_text,
)
from flask_skmodels.pages.page import Page, base_of, chosen_version, has_drift, recent_traffic_of
from flask_skmodels.pages.value_texts import format_value, percent, plain_text
from flask_skmodels.schema.times import iso_time
from flask_skmodels.schema.types import JSONMapping, JSONObject
from flask_skmodels.state import State
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.negotiation import accepted

MARKDOWN = "text/markdown"


class CardPage(Page):
    """``GET /{name}/card/``: the card of a model as a page, as JSON and as Markdown.

    :param state: the extension on this application
    :param deployment: the model
    """

    template = "card.html"

    def __init__(self, state: State, deployment: Deployment) -> None:
        super().__init__(state)
        self._deployment = deployment

    def respond(self, exchange: Exchange) -> Response:
        request = exchange.request
        named = request.args.get("format")
        is_wanted = accepted(request).best_match(["application/json", "text/html", MARKDOWN])
        if named == "markdown" or (named is None and is_wanted == MARKDOWN):
            return self._markdown(exchange)
        return super().respond(exchange)

    def context(self, exchange: Exchange) -> JSONObject:
        card = self.document(exchange)
        return {
            "card": card,
            "prediction": prediction_sentence(card),
            "training": training_sentence(card),
            "certainty": certainty_sentence(card),
            "no_score": NO_SCORE,
            "has_drift": has_drift(self.state, self._deployment),
            "format_value": format_value,
            "percent": percent,
            "plain_text": plain_text,
            "typical_text": typical_text,
        }

    def document(self, exchange: Exchange) -> JSONMapping:
        return self._card(exchange, chosen_version(self._deployment, exchange))

    def _card(self, exchange: Exchange, version: ModelVersion) -> JSONObject:
        deployment, traffic = self._deployment, recent_traffic_of(self.state)
        drift = self.state.drift
        report = None if drift is None else drift.report(deployment, version)
        is_said = report is not None and report.totals.window.rows >= report.minimum
        columns = (
            [] if report is None else [report.layout.columns[i].name for i, _ in report.drifted()]
        )
        sources = CardSources(
            version=version,
            versions=deployment.versions.describe(),
            window=traffic.window(deployment.name),
            started_at=iso_time(traffic.started_at),
            hidden=traffic.hidden,
            is_tried=self.state.trials is not None,
            drifted=columns if is_said else None,
            url=self._url(exchange),
        )
        return model_card(sources)

    def _markdown(self, exchange: Exchange) -> Response:
        version = chosen_version(self._deployment, exchange)
        form = InputForm.of(version, self.state.settings.hidden_fields)
        login = code_samples.login_of(self.state.settings.security_schemes)
        url = f"{self._url(exchange)}{version.default_method}/"
        sample = code_samples.curl(url, form.row(form.initial()), login)
        text = markdown(self._card(exchange, version), version, sample)
        response = Response(text, content_type=f"{MARKDOWN}; charset=utf-8")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.vary.add("Accept")
        return response

    def _url(self, exchange: Exchange) -> str:
        request = exchange.request
        site = request.host_url.rstrip("/") + base_of(self.state, request)
        return f"{site}/{self._deployment.name}/"
