"""Benchmarks of the library beside its peers: ``python -m benchmarks --help``."""

from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
