"""The URL rules of the pages: the index, and up to five pages for each model."""

from __future__ import annotations

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.pages.card_page import CardPage
from flask_skmodels.pages.drift_page import DriftPage
from flask_skmodels.pages.form_redirect import FormRedirect
from flask_skmodels.pages.index_page import IndexPage
from flask_skmodels.pages.model_page import ModelPage
from flask_skmodels.pages.page import StaticView
from flask_skmodels.pages.pipeline_page import PipelineView
from flask_skmodels.pages.traffic_page import TrafficPage
from flask_skmodels.state import State
from flask_skmodels.web.url_rules import add_url_rule
from flask_skmodels.web.views import BaseView, ModelView


def add_rules(state: State) -> None:
    """Add the index and the static files of the pages, unless the pages are turned off."""
    if state.settings.pages:
        add_url_rule(state, "-:index", "/-/", IndexPage(state), decorators=state.decorators)
        add_url_rule(state, "-:static", "/-/static/<file>", StaticView())


def add_form_rules(state: State, deployment: Deployment) -> None:
    """Redirect a browser that opens the URL of a prediction to the form of the model."""
    name, view = deployment.name, FormRedirect(state, deployment)
    for method in deployment.versions.methods:
        addresses = {f"{name}:{method}:form": f"/{name}/{method}/"}
        if deployment.versions.is_folder:
            addresses[f"{name}:{method}:version:form"] = f"/{name}/versions/<version>/{method}/"
        for endpoint, address in addresses.items():
            decorators = state.decorators_of(deployment)
            add_url_rule(state, endpoint, address, view, decorators=decorators)


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Add the pages of a model; if the pages are turned off, only its JSON description."""
    name, decorators = deployment.name, state.decorators_of(deployment)
    if not state.settings.pages:
        add_url_rule(state, name, f"/{name}/", ModelView(deployment), decorators=decorators)
        return
    page = ModelPage(state, deployment)
    add_url_rule(state, name, f"/{name}/", page, decorators=decorators)
    add_form_rules(state, deployment)
    pages: dict[str, BaseView] = {
        "card": CardPage(state, deployment),
        "traffic": TrafficPage(state, deployment),
        "pipeline": PipelineView(deployment),
    }
    if state.drift is not None:
        pages["drift"] = DriftPage(state, deployment)
    for suffix, view in pages.items():
        address = f"/{name}/{suffix}/"
        add_url_rule(state, f"{name}:{suffix}", address, view, decorators=decorators)
