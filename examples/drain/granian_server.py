"""After the signal TERM, report that the application is not ready, and stop some seconds later."""

import os
import signal
from pathlib import Path
from typing import Any

from granian import Granian
from granian.constants import Interfaces

DRAIN_FILE = Path(os.environ["FLASK_SKMODELS_DRAIN_FILE"])
SECONDS = int(os.environ.get("DRAIN_SECONDS", "10"))
PORT = int(os.environ.get("PORT", "8000"))


def handle_term() -> None:
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


if __name__ == "__main__":
    server: Any = Granian(
        "app:create_app", factory=True, interface=Interfaces.WSGI, workers=2, port=PORT
    )
    server.on_startup(handle_term)
    server.on_shutdown(lambda: DRAIN_FILE.unlink(missing_ok=True))
    server.serve()
