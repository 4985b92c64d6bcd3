"""Writes the pipeline as a model of MLflow: ``python -m benchmarks.served.mlflow_model FOLDER``."""

from __future__ import annotations

import shutil
import sys

import mlflow.lightgbm
import mlflow.sklearn

from benchmarks.served import shelf

if __name__ == "__main__":
    shutil.rmtree(sys.argv[1], ignore_errors=True)  # W4 is served twice
    pipeline = shelf.take()[1]
    if shelf.is_from_lightgbm(pipeline):
        mlflow.lightgbm.save_model(pipeline, sys.argv[1], pip_requirements=[])
    else:
        mlflow.sklearn.save_model(
            pipeline, sys.argv[1], serialization_format="cloudpickle", pip_requirements=[]
        )
