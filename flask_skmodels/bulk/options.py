"""The options of a run of bulk scoring."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from flask_skmodels.exceptions import ScoringError
from flask_skmodels.schema.types import JSONObject

CHUNK_ROWS = 65_536
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectLimit:
    """The number or share of rows that may be rejected.

    :param text: the limit as it was given
    :param count: a number of rows, None if it is a share
    :param share: a share of all rows, from 0 to 1
    """

    text: str
    count: int | None = None
    share: float = 1.0

    @classmethod
    def of(cls, value: int | float | str) -> RejectLimit:
        """Return the limit that a number or a text such as ``"1%"`` stands for.

        :raises ScoringError: the value is not a limit
        """
        text = str(value)
        percent = _SHARE.fullmatch(text)
        if percent and float(percent[1]) <= 100:
            return cls(text=text, share=float(percent[1]) / 100)
        if text.isdecimal():
            return cls(text=text, count=int(text))
        if isinstance(value, float) and 0 <= value < 1:
            return cls(text=text, share=value)
        raise ScoringError(f"max_rejects must be a number or a share such as 1%, not {text}")

    def is_exceeded(self, rejected: int, rows: int | None) -> bool:
        """Return whether too many rows are rejected.

        :param rows: the number of all rows, None if it is not known yet
        """
        if self.count is not None:
            return rejected > self.count
        return rows is not None and rejected > self.share * rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a run.

    :param method: name of the method
    :param keep: names of the key columns
    :param engine: ``"local"``, ``"dask"`` or ``"ray"``
    :param address: address of a cluster, None for one on this machine
    :param jobs: number of processes on this machine
    :param chunk_rows: the maximum number of rows of a chunk
    :param reject_limit: the rejects that the run may have, None for no limit
    :param fail_fast: whether the first rejected row ends the run
    :param resume: whether to continue an earlier run
    """

    method: str
    keep: Sequence[str] = ()
    engine: str = "local"
    address: str | None = None
    jobs: int = 1
    chunk_rows: int = CHUNK_ROWS
    reject_limit: RejectLimit | None = None
    fail_fast: bool = False
    resume: bool = False

    def that_count(self, form: str, rejects: str) -> JSONObject:
        """Return the options that change the output, as values for JSON.

        :param form: the format of the output
        :param rejects: the name of the rejects
        """
        return {
            "method": self.method,
            "keep": list(self.keep),
            "chunk-rows": self.chunk_rows,
            "format": form,
            "rejects": rejects,
        }
