"""The card of a model: what it predicts from what, since when, how sure, and how it is checked.

As JSON, and as Markdown in the format of skops's model cards.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flask_skmodels.estimators.introspect import class_name
from flask_skmodels.estimators.profile.column_profile import ColumnProfile
from flask_skmodels.models import EXPLAIN, description_of
from flask_skmodels.pages.input_form import (
    Input,
    InputForm,
    limits_in_words,
    training_in_words,
)
from flask_skmodels.pages.page import estimator_of
from flask_skmodels.pages.starting_values import whole
from flask_skmodels.pages.value_texts import format_value, percent, plain_text
from flask_skmodels.schema.fields import Field
from flask_skmodels.schema.json_schema import field_schema, jsonable
from flask_skmodels.schema.types import JSONMapping, JSONObject
from flask_skmodels.telemetry.drift.bins import label_of
from flask_skmodels.telemetry.recent_traffic import KeptPrediction
from flask_skmodels.versions.version import ModelVersion

MAX_CLASSES = 50
MAX_FIELDS = 200
SURE = 0.9  # a prediction with at least this probability counts as sure
MAX_PARAMETER_LENGTH = 80  # characters
MAX_LISTED = 20  # values that a field accepts
_WITHOUT_LIMITS = {"type", "required", "nullable", "default", "meta", "finite"}  # rules of a field
_SIMPLE = (str, int, float, bool, type(None))
NO_SCORE = (
    "How often, or how nearly, the model is right on test data is not stored with it. Its authors "
    "may know."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSources:
    """The sources of a card.

    :param version: the version that the card describes
    :param versions: the versions of the model, as its JSON description lists them
    :param window: the last predictions in this process
    :param started_at: when this process was started, in ISO 8601
    :param hidden: names of the fields whose training data are not shown
    :param is_tried: whether files are tried in a process of their own before they are loaded
    :param drifted: names of the fields that have drifted, None if that is not known
    :param url: URL of the model
    """

    version: ModelVersion
    versions: Sequence[JSONObject]
    window: Sequence[KeptPrediction]
    started_at: str
    hidden: Collection[str]
    is_tried: bool
    drifted: Sequence[str] | None
    url: str


def model_card(sources: CardSources) -> JSONObject:
    """Return the card as a JSON object."""
    version = sources.version
    fields = list(_fields(version, sources.hidden))
    return {
        "name": version.name,
        "version": version.label,
        "description": description_of(version.model),
        "url": sources.url,
        "estimator": estimator_of(version),
        "predicts": _predicts(version),
        "fields": fields[:MAX_FIELDS],
        "more_fields": max(0, len(fields) - MAX_FIELDS),
        "since": _since(sources),
        "certainty": _certainty(version, sources.window),
        "training": _training(version),
        "checks": list(_checks(sources)),
    }


def _predicts(version: ModelVersion) -> JSONObject:
    target = _target(version)
    name = None if target is None else target.name
    if version.default_method == "transform":
        return {"kind": "transformed values", "name": name}
    if version.is_classifier:
        classes = jsonable(version.classes("predict_proba") or [])
        more = max(0, len(classes) - MAX_CLASSES)
        shown = classes[:MAX_CLASSES]
        return {"kind": "class", "name": name, "classes": shown, "more_classes": more}
    known: JSONObject = {"kind": "number", "name": name}
    if target is not None and target.min is not None:
        known |= {"training_range": [whole(target.min), whole(target.max)]}
    return known


def _target(version: ModelVersion) -> ColumnProfile | None:
    targets = () if version.profile is None else version.profile.target
    return targets[0] if len(targets) == 1 else None


def _fields(version: ModelVersion, hidden: Collection[str]) -> Iterator[JSONObject]:
    form = InputForm.of(version, hidden)
    hints = {each.name: each for each in form.inputs({})[0]}
    for each in form.fields:
        schema, known = field_schema(each), hints.get(each.name)
        entry: JSONObject = {"name": each.name, "label": schema.get("title", each.name)}
        entry |= {"unit": schema.get("x-unit"), "type": _type(schema)}
        entry["is_choice"] = True if "enum" in schema else None
        entry["accepted"] = _accepted(each, schema, known)
        entry["is_required"] = bool(each.definition.get("required")) and not each.has_default
        typical, bounds = schema.get("examples", [None])[0], schema.get("x-training-range")
        entry |= {"typical": whole(typical), "training_range": bounds and [*map(whole, bounds)]}
        yield {key: value for key, value in entry.items() if value is not None}


def _type(schema: JSONMapping) -> str:
    kinds = schema.get("type", "any")
    names = [kinds] if isinstance(kinds, str) else kinds
    named = {
        "string": "text",
        "number": "number",
        "integer": "whole number",
        "boolean": "yes or no",
    }
    words = [named.get(each, each) for each in names if each != "null"]
    formats = {"date": "date", "date-time": "date and time"}
    return formats.get(schema.get("format", ""), " or ".join(words))


def _accepted(field: Field, schema: JSONMapping, known: Input | None) -> str | None:
    """Return the values that a field accepts in words, None if nothing can be said."""
    values = [plain_text(each) for each in schema.get("enum", ()) if each is not None]
    if known is None:
        return _value_list("one of", values) or None
    limits = _value_list("one of", values) or limits_in_words(schema, known.kind)
    is_free = not limits and field.definition.keys() <= _WITHOUT_LIMITS
    described, trained = schema.get("description", ""), training_in_words(schema)
    suggested = () if values else known.suggestions
    parts = [limits or (_any(schema) if is_free else ""), described, trained]
    return "; ".join(filter(None, [*parts, _value_list("in training:", suggested)])) or None


def _any(schema: JSONMapping) -> str:
    kind = _type(schema)
    return kind if kind == "yes or no" else "any value" if kind == "any" else f"any {kind}"


def _value_list(words: str, values: Sequence[str]) -> str:
    more = f" and {len(values) - MAX_LISTED} more" if len(values) > MAX_LISTED else ""
    return f"{words} {', '.join(values[:MAX_LISTED])}{more}" if values else ""


def _since(sources: CardSources) -> JSONObject:
    artifact = sources.version.artifact() or {}
    versions = [
        {key: each[key] for key in ("version", "loaded_at", "is_failed") if key in each}
        for each in sources.versions
    ]
    return {"loaded_at": sources.started_at} | artifact | {"versions": versions}


def _certainty(version: ModelVersion, window: Sequence[KeptPrediction]) -> JSONObject:
    """Return whether the model gives probabilities, and how sure it was of the last predictions."""
    has_probabilities = "predict_proba" in version.methods
    known: JSONObject = {
        "has_probabilities": has_probabilities,
        "has_explanations": EXPLAIN in version.methods,
    }
    tables = [
        np.asarray(kept.outputs).max(axis=1)
        for kept in window
        if kept.method == "predict_proba"
        and kept.version == version.label
        and getattr(kept.outputs, "ndim", 0) == 2
    ]
    if tables:
        highest = np.concatenate(tables)
        known["recent"] = {
            "rows": len(highest),
            "median_probability": float(np.median(highest)),
            "share_sure": float((highest >= SURE).mean()),
        }
    return known


def _training(version: ModelVersion) -> JSONObject | None:
    profile = version.profile
    if profile is None:
        return None
    gaps = [each.name for each in profile.columns if each.share_missing]
    return {
        "rows": profile.rows,
        "columns": len(profile.columns),
        "columns_with_gaps": len(gaps),
        "library_versions": dict(profile.library_versions),
        "target": [_shares(each) for each in profile.target],
        "predictions": [_shares(each) for each in profile.predictions],
    }


def _shares(column: ColumnProfile) -> JSONObject:
    pairs = zip(column.frequent.values, column.frequent.shares, strict=True)
    known = {"mean": column.mean, "std": column.std, "min": column.min, "max": column.max}
    shares = [{"value": whole(v), "share": s} for v, s in [*pairs][:MAX_CLASSES]]
    known_numbers = {key: whole(value) for key, value in known.items() if value is not None}
    return {"name": column.name, **known_numbers, "shares": shares}


def _checks(sources: CardSources) -> Iterator[str]:
    """Yield, as sentences, the checks that the model has passed and the checks of each request."""
    version = sources.version
    yield "Each row is checked against the fields above before the model sees it."
    if version.engine.describe()["name"] == "lean":
        yield (
            "When it was loaded, its fast form gave exactly the same results as its own methods "
            "on hundreds of rows."
        )
    if version.loaded is not None:
        yield f"The fingerprint (SHA-256) of its file is {version.loaded.sha256}."
        if version.loaded.is_trusted:
            yield "Those who run the application have decided that this file may be used."
        if sources.is_tried:
            yield "Its file was first tested in a separate process."
    count = len(version.example_rows)
    if count and sources.versions:
        rows = "an example row" if count == 1 else f"{count} example rows"
        yield f"A new version is used only if it predicts {rows} without an error."
    if sources.drifted is not None:
        names = ", ".join(sources.drifted) or "none"
        yield f"The last rows are compared with the training data. Columns that drifted: {names}."


# Markdown


def markdown(card: JSONMapping, version: ModelVersion, sample: str) -> str:
    """Return a card in Markdown, with the sections of skops's model cards.

    :param card: the card, from :func:`model_card`
    :param version: the version that the card describes
    :param sample: a command that requests a prediction
    """
    sections = [
        _front_matter(version),
        "# Model description",
        _text(card["description"]) or f"The model {_text(card['name'])}.",
        _text(prediction_sentence(card)),
        "## Intended uses & limitations",
        "The model takes rows of these fields:",
        _table(["field", "type", "accepts", "typical"], list(_field_rows(card["fields"]))),
        f"and {card['more_fields']} more." if card["more_fields"] else "",
        *_since_lines(card),
        "## Training Procedure",
        _text(training_sentence(card)),
        "### Hyperparameters",
        "<details>\n<summary> Click to expand </summary>\n\n"
        + _table(["Hyperparameter", "Value"], list(_parameters(version)))
        + "\n\n</details>",
        "## Evaluation Results",
        NO_SCORE,
        _text(certainty_sentence(card)),
        *(f"- {_text(each)}" for each in card["checks"]),
        "# How to Get Started with the Model",
        f"```sh\n{sample}\n```",
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def prediction_sentence(card: JSONMapping) -> str:
    """Return what the model predicts, as a sentence."""
    predicts = card["predicts"]
    name = predicts["name"]
    subject = f"“{name}”: " if name else ""
    if predicts["kind"] == "class":
        classes = ", ".join(map(plain_text, predicts["classes"]))
        more = f" and {predicts['more_classes']} more" if predicts["more_classes"] else ""
        return (
            f"It predicts {subject}one of {classes}{more}." if classes else "It predicts a class."
        )
    if predicts["kind"] == "number":
        bounds = predicts.get("training_range")
        ends = [] if bounds is None else [format_value(each) for each in bounds]
        words = f", between {' and '.join(ends)} in its training data" if ends else ""
        return f"It predicts {subject}a number{words}."
    return "It transforms the values of a row into others."


def training_sentence(card: JSONMapping) -> str:
    """Return what the model was trained on, as a sentence."""
    training = card["training"]
    if training is None:
        return "This is not known here: the model has no profile of its training data."
    libraries = ", ".join(f"{k} {v}" for k, v in training["library_versions"].items())
    gaps = training["columns_with_gaps"]
    with_gaps = f" In {gaps} of the columns some values were missing." if gaps else ""
    used = f" It was made with {libraries}." if libraries else ""
    return (
        f"It was trained on {training['rows']:,} rows of {training['columns']} columns.{with_gaps}"
        f"{used}"
    )


def typical_text(field: JSONMapping) -> str:
    """Return the typical value of a field of a card, empty if it has none."""
    value = field.get("typical")
    if isinstance(value, str):
        return label_of(value)
    return plain_text(value) if field.get("is_choice") else format_value(value)


def certainty_sentence(card: JSONMapping) -> str:
    """Return how sure the model is, in sentences."""
    certainty = card["certainty"]
    if card["predicts"]["kind"] == "transformed values":
        return ""
    if not certainty["has_probabilities"]:
        return "It does not say how sure it is of a single prediction."
    words = "It gives the probability of each class with a prediction."
    recent = certainty.get("recent")
    if recent is None:
        return words
    words, median = f"{words} In this server process, ", percent(recent["median_probability"])
    if recent["rows"] == 1:
        return f"{words}the probability of the predicted class in the last row was {median}."
    return (
        f"{words}the median probability of the predicted class in the last {recent['rows']:,} "
        f"rows was {median}; the probability was at least {SURE:.0%} in "
        f"{percent(recent['share_sure'])} of them."
    )


def _front_matter(version: ModelVersion) -> str:
    """Return the metadata as skops writes them; the Hugging Face Hub reads them."""
    kind = "classification" if version.is_classifier else "regression"
    loaded = version.loaded
    known = {"library_name": "sklearn"}
    if loaded is not None:
        known |= {"model_format": loaded.format, "model_file": loaded.path.name}
    lines = [f"{key}: {json.dumps(value)}" for key, value in known.items()]
    tags = [f"- {tag}" for tag in ("sklearn", "skops", f"tabular-{kind}")]
    return "\n".join(["---", *lines, "tags:", *tags, "---"])


def _field_rows(fields: Sequence[JSONMapping]) -> Iterator[list[str]]:
    for each in fields:
        unit = f" ({each['unit']})" if "unit" in each else ""
        optional = "" if each["is_required"] else ", optional"
        kind = f"{each['type']}{unit}{optional}"
        yield [each["name"], kind, each.get("accepted", ""), typical_text(each)]


def _since_lines(card: JSONMapping) -> Iterator[str]:
    loaded_at = card["since"]["loaded_at"]
    if card["version"] is not None:
        yield f"This card describes version {_text(card['version'])}."
    yield f"It has been in use in this server process since {loaded_at}."


def _parameters(version: ModelVersion) -> Iterator[list[str]]:
    try:
        parameters = version.model.pipeline.get_params()
    except Exception:  # not every estimator has parameters
        parameters = {}
    for name, value in sorted(parameters.items()):
        text = repr(value) if isinstance(value, _SIMPLE) else class_name(value)
        is_short = len(text) <= MAX_PARAMETER_LENGTH
        yield [name, text if is_short else f"{text[:MAX_PARAMETER_LENGTH]}…"]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["-" * 3 for _ in header], *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|").replace("\n", " ")


def _text(text: str) -> str:
    """Return a text without HTML markup, which Markdown would keep."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;")
