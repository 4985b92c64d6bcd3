"""Install clients of other servers, each in an environment of its own: ``install.py FOLDER``.

Their requirements contradict each other and the library's. The tests find them by the environment
variable ``SKMODELS_TEST_CLIENTS``, the folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CLIENTS = {
    "kserve": ["kserve>=0.15"],
    "mlflow": ["mlflow-skinny>=3", "pandas", "scikit-learn", "skops"],
    "mlserver": ["mlserver>=1.7", "tritonclient[http]>=2.50"],
}


def install(folder: Path, name: str) -> None:
    """Make the environment of a client, unless it is there."""
    home = folder / name
    if (home / "complete").exists():
        return
    # A copy of Python that one thread writes is "busy" for what the other starts meanwhile.
    venv.create(home, with_pip=True, symlinks=os.name != "nt")
    pip = [str(home / "bin/python"), "-m", "pip", "install", "-qq"]
    subprocess.run([*pip, "--disable-pip-version-check", *CLIENTS[name]], check=True)
    (home / "complete").touch()


def main(folder: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(install, [Path(folder)] * len(CLIENTS), CLIENTS))


if __name__ == "__main__":
    main(*sys.argv[1:])
