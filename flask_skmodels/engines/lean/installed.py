"""Installed versions of scikit-learn and SciPy, on which some outputs depend."""

from __future__ import annotations

import sklearn
from sklearn.utils.fixes import parse_version, sp_version

HAS_SKLEARN_1_7: bool = parse_version(sklearn.__version__) >= parse_version("1.7")
HAS_SKLEARN_1_8: bool = parse_version(sklearn.__version__) >= parse_version("1.8")
HAS_SKLEARN_1_9: bool = parse_version(sklearn.__version__) >= parse_version("1.9")
HAS_SCIPY_1_15: bool = sp_version >= parse_version("1.15")
