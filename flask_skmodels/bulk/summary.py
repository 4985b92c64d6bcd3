"""The summary of a run of bulk scoring."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from flask_skmodels.schema.types import JSONObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The outcome of a run: ``rows`` is always ``scored`` plus ``rejected``.

    :param rows: number of rows that were read
    :param scored: number of rows with a prediction, which are in the output
    :param rejected: number of rows that are in the rejects
    :param chunks: number of chunks
    :param resumed: number of these that an earlier run had finished
    :param seconds: the time that this run took
    :param version: label of the version, None if the model has no versions
    :param output: name of the output
    :param rejects: name of the file of the rejects, None if no row was rejected
    """

    rows: int
    scored: int
    rejected: int
    chunks: int
    resumed: int
    seconds: float
    version: str | None
    output: str
    rejects: str | None = None

    def as_dict(self) -> JSONObject:
        """Return the summary as a dictionary of values for JSON."""
        return asdict(self)
