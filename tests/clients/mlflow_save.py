"""Save a model in a folder of MLflow for each format: ``mlflow_save.py FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow.sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression


def main(folder: str) -> None:
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=500).fit(X, y)
    for kind in ("pickle", "cloudpickle", "skops"):
        mlflow.sklearn.save_model(
            model,
            str(Path(folder, kind)),
            serialization_format=kind,
            signature=infer_signature(X, model.predict(X)),
            input_example=X.iloc[:2],
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
