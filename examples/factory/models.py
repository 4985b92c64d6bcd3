"""The models of the application. All modules import ``models`` from here, without the app."""

import numpy as np
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flask_skmodels import KeyValueModel, SKModels

models = SKModels()

FIELDS = ["alcohol", "malic_acid", "flavanoids", "color_intensity"]

_wines = load_wine()
_columns = [_wines.feature_names.index(name) for name in FIELDS]
_cultivars = np.array(["Barolo", "Grignolino", "Barbera"])[_wines.target]


@models.register
class Cultivar(KeyValueModel):
    """The grape that a wine from Piedmont was made of."""

    probability = True
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    pipeline.fit(_wines.data[:, _columns], _cultivars)
    schema = [
        {"name": "alcohol", "min": 0, "max": 100},
        {"name": "malic_acid", "min": 0},
        {"name": "flavanoids", "min": 0},
        {"name": "color_intensity", "min": 0},
    ]
