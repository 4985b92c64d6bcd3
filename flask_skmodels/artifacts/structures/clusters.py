"""k-means, whose native code takes the width of its centers from X."""

from __future__ import annotations

import numpy as np

from flask_skmodels.artifacts.structures.checks import (
    Part,
    check_shape,
    ensure,
    feature_count,
    state_of,
    structure,
    whole_number,
)
from flask_skmodels.schema.types import Estimator

MAX_THREADS = 4096


@structure("sklearn.cluster._kmeans._BaseKMeans")
def check_kmeans(estimator: Estimator) -> None:
    """Check the width of the centers and the number of threads."""
    state = state_of(estimator)
    centers = state.get("cluster_centers_")
    if centers is None:
        return
    width = feature_count(estimator)
    ensure(np.ndim(centers) == 2 and len(centers) > 0, "cluster_centers_ has no centers")
    check_shape(centers, (len(centers), width), "cluster_centers_")
    whole_number(state.get("_n_threads", 1), "_n_threads", 1, MAX_THREADS)
    root = state.get("_bisecting_tree")
    if root is not None:
        _check_bisections(root, width)


def _check_bisections(root: Part, width: int) -> None:
    stack, seen = [root], set[int]()
    while stack:
        node = stack.pop()
        ensure(id(node) not in seen, "a cluster has two parents")
        seen.add(id(node))
        ensure(np.size(node.center) == width, "the center of a cluster has the wrong width")
        children = [each for each in (node.left, node.right) if each is not None]
        ensure(len(children) in (0, 2), "a cluster has one child")
        stack += children
