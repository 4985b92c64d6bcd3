"""After the signal TERM, report that the application is not ready, and stop some seconds later."""

import os
import signal
from pathlib import Path
from typing import Any

DRAIN_FILE = Path(os.environ["FLASK_SKMODELS_DRAIN_FILE"])
SECONDS = int(os.environ.get("DRAIN_SECONDS", "10"))


def when_ready(server: Any) -> None:
    """Handle TERM in the first process, which starts and stops the workers."""
    DRAIN_FILE.unlink(missing_ok=True)
    stop: Any = signal.getsignal(signal.SIGTERM)

    def drain(number: int, frame: Any) -> None:
        if DRAIN_FILE.exists():  # a second TERM does not wait
            stop(number, frame)
            return
        DRAIN_FILE.touch()
        signal.signal(signal.SIGALRM, lambda *arguments: stop(number, None))
        signal.alarm(SECONDS)

    signal.signal(signal.SIGTERM, drain)


def on_exit(server: Any) -> None:
    DRAIN_FILE.unlink(missing_ok=True)
