"""The page ``/{name}/pipeline/``: a diagram of a model's estimator, drawn by scikit-learn."""

from __future__ import annotations

import re

from flask import Response, render_template
from sklearn.utils import estimator_html_repr

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.pages.page import SECURITY, chosen_label, chosen_version
from flask_skmodels.pages.per_version import per_version
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.views import BaseView

ALONE = "alone"  # the parameter for the drawing alone, outside the page of its model
_SCRIPT = re.compile(r"<script\b.*?</script>|\son\w+=\"[^\"]*\"", re.DOTALL)
# No script ever runs in the drawing. With the same origin, the script of the model's page can read
# its height and set its theme.
_SANDBOX = (
    "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)


@per_version
def _diagram(version: ModelVersion) -> str:
    return _SCRIPT.sub("", estimator_html_repr(version.model.pipeline))


class PipelineView(BaseView):
    """``GET /{name}/pipeline/``: a diagram of the estimator, shown in a frame of the model's page.

    The diagram of scikit-learn has inline styles, so it is in a sandbox; its scripts are removed.

    :param deployment: the model
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def respond(self, exchange: Exchange) -> Response:
        version = chosen_version(self._deployment, exchange)
        html = render_template(
            "skmodels/pipeline.html",
            name=self._deployment.name,
            version=chosen_label(self._deployment, exchange),
            is_alone=ALONE in exchange.request.args,
            diagram=_diagram(version),
        )
        response = Response(html, mimetype="text/html")
        response.headers.update({**SECURITY, "Content-Security-Policy": _SANDBOX})
        return response
