"""Code that is run again only to compare its results: no coverage is measured in it.

Coverage makes Python code take two to four times as long.
"""

from __future__ import annotations

import sys
from types import TracebackType


class Untraced:
    """A ``with`` block without the trace function of this thread.

    It is turned off and on again in frames of the same depth, as the tracer of coverage needs.
    """

    def __enter__(self) -> None:
        self._tracer = sys.gettrace()
        sys.settrace(None)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        sys.settrace(self._tracer)
