"""The texts of a form as input of a model, checked like a form that is sent to the model's URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from flask_skmodels.codecs.codec import Source
from flask_skmodels.codecs.form import FormCodec
from flask_skmodels.exceptions import InputError, InvalidInput
from flask_skmodels.inference.request_limits import NO_BUDGET
from flask_skmodels.pages.input_form import InputForm
from flask_skmodels.versions.version import ModelVersion

_MAX_BYTES = 2**31  # no limit: the request that contained the texts was read already


class FormPairs:
    """The names and values of a form that was read already, to be decoded by a codec.

    :param pairs: names and values
    :param body: the body that contained them, whose limits apply; without a body there are no
        limits
    """

    data = b""
    parameters: ClassVar[Mapping[str, str]] = {}

    def __init__(self, pairs: Sequence[tuple[str, str]], body: Source | None = None) -> None:
        self.pairs = pairs
        self.max_bytes = _MAX_BYTES if body is None else body.max_bytes
        self.budget = NO_BUDGET if body is None else body.budget


def errors_of(
    version: ModelVersion, form: InputForm, texts: Mapping[str, str]
) -> Sequence[InputError]:
    """Return the errors that a version of a model finds in the texts of a form.

    :param version: the version
    :param form: its form
    :param texts: texts of the inputs by name
    """
    try:
        rows = FormCodec().decode(FormPairs(form.pairs(texts)), version.schema)
        version.schema.clean(rows)
    except InvalidInput as error:
        return error.errors
    return ()
