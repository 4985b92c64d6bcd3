"""The health of an application: whether it runs, and whether it is ready to predict."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.state import State
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.responses import json_response
from flask_skmodels.web.views import BaseView


class LiveView(BaseView):
    """``GET /-/health/live``: reports that the application runs."""

    def respond(self, exchange: Exchange) -> Response:
        return json_response({"live": True})


class ReadyView(BaseView):
    """``GET /-/health/ready``: how many models are ready, and the versions that failed.

    It needs no login, so it names only models that anyone may see. The status is 503 while a model
    is not ready, or while the application is shutting down. In debug mode it says why a version
    failed; the reason can name files.

    :param state: the extension on this application
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def respond(self, exchange: Exchange) -> Response:
        report = self._state.readiness.check()
        models = {
            each.name: {
                "ready": each.name in report.ready,
                **each.status(with_reasons=self._state.app.debug),
            }
            for each in self._visible()
        }
        document = {
            "ready": report.is_ready,
            "draining": report.is_draining,
            "ready_models": len(report.ready),
            "total_models": report.total,
            "models": models,
        }
        return json_response(document, 200 if report.is_ready else 503)

    def _visible(self) -> Sequence[Deployment]:
        """Return the models that may be named; none if the application's function fails."""
        try:
            return self._state.visible(is_guarded=False)
        except Exception:  # for example, it needs a user who is logged in
            return ()
