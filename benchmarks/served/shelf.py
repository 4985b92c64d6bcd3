"""The folder that a server is given: a fitted pipeline and what a client must know of it."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib

VARIABLE = "BENCHMARK_FOLDER"  # of the environment: the folder
OPTIONS = "BENCHMARK_OPTIONS"  # a JSON object
WITHOUT = "BENCHMARK_WITHOUT"  # optional libraries to do without


@dataclass(frozen=True)
class Card:
    """What there is to know of a pipeline.

    :param name: of the model
    :param schema: Cerberus's rules by field, in the order of the columns
    :param has_texts: whether it takes a data frame
    :param method: the one that is asked for
    """

    name: str
    schema: dict[str, dict[str, Any]]
    has_texts: bool
    method: str = "predict"

    @property
    def names(self) -> list[str]:
        return list(self.schema)


def put(folder: Path, card: Card, pipeline: Any) -> None:
    """Write a pipeline and its card."""
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(pipeline, folder / "pipeline.joblib")
    (folder / "card.json").write_text(json.dumps(asdict(card)), encoding="utf-8")


def take() -> tuple[Card, Any]:
    """Return what lies in the folder that the environment names."""
    folder = Path(os.environ[VARIABLE])
    card = Card(**json.loads((folder / "card.json").read_text(encoding="utf-8")))
    return card, joblib.load(folder / "pipeline.joblib")


def is_from_lightgbm(pipeline: Any) -> bool:
    """Return whether a pipeline is an estimator of LightGBM."""
    return type(pipeline).__module__.partition(".")[0] == "lightgbm"


def options() -> dict[str, Any]:
    """Return what else the environment says of the application, by name."""
    found: dict[str, Any] = json.loads(os.environ.get(OPTIONS, "{}"))
    return found


def hide() -> None:
    """Make optional libraries that the environment names look as if they were not installed."""
    for name in os.environ.get(WITHOUT, "").split():
        sys.modules[name] = None  # type: ignore[assignment]


hide()  # this module is imported before the library, which looks for them once
