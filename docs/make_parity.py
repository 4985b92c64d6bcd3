"""Write docs/parity.rst: ``python docs/make_parity.py``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.parity.table import PAGE, render

PAGE.write_text(render(), encoding="utf-8")
