"""The import of the library loads Flask, scikit-learn and the library, and nothing else."""

from __future__ import annotations

import subprocess
import sys

CORE = "blinker, cerberus, flask, joblib, numpy, orjson, sklearn.base"
# scikit-learn loads these where they are installed.
LOADED_BY_SKLEARN = {"array_api_compat", "pandas", "polars", "pyarrow", "scipy", "threadpoolctl"}


def modules_after(code: str) -> set[str]:
    command = [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_import_loads_no_other_library() -> None:
    own = "before = set(sys.modules)\nimport flask_skmodels\n[sys.modules.pop(n) for n in before]"
    added = modules_after(f"import {CORE}\n{own}")
    packages = {name.partition(".")[0] for name in added}
    assert packages - sys.stdlib_module_names - LOADED_BY_SKLEARN <= {
        *("flask_skmodels", "flask", "click", "sklearn"),
    }
    assert not {"sklearn.pipeline", "sklearn.preprocessing", "sklearn.ensemble"} & added
