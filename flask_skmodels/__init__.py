"""Serve scikit-learn models inside Flask applications.

All public names are imported here, except those of :mod:`flask_skmodels.testing`.
"""

from flask_skmodels.artifacts.declaration import Artifact
from flask_skmodels.codecs.codec import Codec
from flask_skmodels.codecs.columns import answer_columns
from flask_skmodels.codecs.registration import register_codec
from flask_skmodels.estimators.profile.profile import Profile
from flask_skmodels.exceptions import (
    ArtifactError,
    ConfigurationError,
    InputError,
    InvalidInput,
    ModelError,
    Overloaded,
    RejectedRows,
    ScoringError,
    SKModelsError,
    TimedOut,
    TooManyRejects,
    TooManyRows,
    UnknownModel,
)
from flask_skmodels.extension import SKModels
from flask_skmodels.hints import __version__ as __version__
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.models import KeyValueModel, Model, ValuesModel
from flask_skmodels.schema.rows import Columns, Rows
from flask_skmodels.schema.validator import Validator
from flask_skmodels.signals import (
    after_prediction,
    before_prediction,
    drift_detected,
    input_rejected,
    model_load_failed,
    model_loaded,
    prediction_failed,
    prediction_refused,
    prediction_stopped,
    shadow_prediction,
)
from flask_skmodels.standalone import create_app, serve

__all__ = [
    "Artifact",
    "ArtifactError",
    "Codec",
    "Columns",
    "ConfigurationError",
    "InputError",
    "InvalidInput",
    "KeyValueModel",
    "Model",
    "ModelError",
    "Overloaded",
    "Prediction",
    "Profile",
    "RejectedRows",
    "Rows",
    "SKModels",
    "SKModelsError",
    "ScoringError",
    "TimedOut",
    "TooManyRejects",
    "TooManyRows",
    "UnknownModel",
    "Validator",
    "ValuesModel",
    "after_prediction",
    "answer_columns",
    "before_prediction",
    "create_app",
    "drift_detected",
    "input_rejected",
    "model_load_failed",
    "model_loaded",
    "prediction_failed",
    "prediction_refused",
    "prediction_stopped",
    "register_codec",
    "serve",
    "shadow_prediction",
]
