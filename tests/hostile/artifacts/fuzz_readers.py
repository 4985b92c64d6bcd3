"""Fuzz the readers of artifacts: mutated files of each format, loaded by the public function.

``python -m tests.hostile.artifacts.fuzz_readers --seconds 60`` loads as many files as it can in a
minute. A load may succeed or raise ``ArtifactError``, within two seconds of CPU. A file that causes
another exception is kept in ``corpus``, whose files the tests load again. If the process itself
dies, the file is ``corpus/last``.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from time import monotonic, process_time
from zipfile import ZipFile

import numpy as np
import skops.io

from flask_skmodels.artifacts.declaration import Artifact, Policy
from flask_skmodels.artifacts.loading import load
from flask_skmodels.artifacts.profile_beside import load_profile_beside
from flask_skmodels.exceptions import ArtifactError
from tests.hostile.artifacts.sound import X, build

CORPUS = Path(__file__).with_name("corpus")
MAX_SECONDS = 2.0
TREE = ("sklearn.tree._tree.Tree", "sklearn.neighbors._kd_tree.KDTree64")
_TOKENS = [
    *(b"null", b"NaN", b"-1", b"1e999", b"2147483648", b"true", b"[", b"]", b"{", b"}", b'"'),
    *(b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"__id__", b"__loader__", b"file"),
    *(b"../", b"PK\x03\x04", b"\x93NUMPY", b"(0,)", b"<i8", b"|O", b"content", b"JsonNode"),
]

Reader = Callable[[Path, bytes], object]


def _read_skops(folder: Path, data: bytes) -> object:
    (folder / "a.skops").write_bytes(data)
    return load(Artifact("a.skops", trusted=TREE), Policy(root=folder))


def _read_onnx(folder: Path, data: bytes) -> object:
    (folder / "a.onnx").write_bytes(data)
    return load(Artifact("a.onnx"), Policy(root=folder))


def _read_mlflow(folder: Path, data: bytes) -> object:
    inside = folder / "mlflow"
    inside.mkdir(exist_ok=True)
    (inside / "MLmodel").write_bytes(data)
    (inside / "model.skops").write_bytes(_skops("support vectors, linear"))
    (inside / "example.json").write_text("[[5.1, 3.5, 1.4, 0.2]]")
    return load(Artifact("mlflow"), Policy(root=folder))


def _read_profile(folder: Path, data: bytes) -> object:
    (folder / "b.profile.json").write_bytes(data)
    return load_profile_beside(folder / "b.skops")


def _read_sums(folder: Path, data: bytes) -> object:
    (folder / "c.pkl").write_bytes(b"\x80")
    (folder / "SHA256SUMS").write_bytes(data)
    policy = Policy(root=folder, sha256sums="SHA256SUMS", verify=lambda *_: True)
    return load(Artifact("c.pkl"), policy)


@cache
def _skops(name: str) -> bytes:
    estimator = build(name)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of attributes that will go
        return bytes(skops.io.dumps(estimator))


def _onnx(name: str) -> bytes:
    import skl2onnx

    estimator, example = build(name)[0], X[:1].astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = skl2onnx.to_onnx(estimator, example, target_opset={"": 18, "ai.onnx.ml": 3})
    return bytes(graph.SerializeToString())


def _profile() -> bytes:
    from flask_skmodels import Profile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.profile.json")
        Profile.of(X[:20]).save(path)
        return path.read_bytes()


_DESCRIPTION = {
    "flavors": {"sklearn": {"pickled_model": "model.skops"}},
    "signature": {"inputs": json.dumps([{"type": "double"}] * 4)},
    "saved_input_example_info": {"artifact_path": "example.json"},
}


@cache
def seeds() -> dict[str, tuple[Reader, list[bytes]]]:
    """Return the reader of each format, and sound files of it."""
    sums = f"# digests\n{'0' * 64}  c.pkl\n\\{'1' * 64} *a\\\\b\n".encode()
    names = ("tree", "support vectors", "neighbors, k-d tree", "vocabulary", "clusters")
    return {
        "skops": (_read_skops, [_skops(name) for name in names]),
        "onnx": (_read_onnx, [_onnx("forest"), _onnx("support vectors")]),
        "mlflow": (_read_mlflow, [json.dumps(_DESCRIPTION).encode()]),
        "profile": (_read_profile, [_profile()]),
        "sums": (_read_sums, [sums]),
    }


def mutated(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """Return a file with one to five changes; those of a member of an archive keep it whole."""
    if data[:2] == b"PK" and draw.random() < 0.9:
        return _mutated_archive(data, other, draw)
    for _ in range(draw.randint(1, 5)):
        start = draw.randrange(len(data) + 1)
        stop = min(len(data), start + draw.choice((0, 1, 1, 4, 40)))
        begin = draw.randrange(len(other) + 1)
        new = draw.choice(
            (b"", draw.choice(_TOKENS), draw.randbytes(stop - start), other[begin : begin + 40])
        )
        data = data[:start] + new + data[stop:]
    return data


def _mutated_archive(data: bytes, other: bytes, draw: random.Random) -> bytes:
    with ZipFile(BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = draw.choice(["schema.json", *members])
    members[name] = mutated(members[name], other[-4000:], draw)
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        for each, content in members.items():
            archive.writestr(each, content)
    return buffer.getvalue()


def read(name: str, folder: Path, data: bytes) -> str:
    """Load a file, and return whether it was read or refused.

    :raises AssertionError: it took too long; any exception other than ArtifactError is a fault too
    """
    started = process_time()
    outcome = "read"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seeds()[name][0](folder, data)
    except ArtifactError as error:
        outcome = "refused" if len(str(error).splitlines()) == 1 else "refused in several lines"
    seconds = process_time() - started
    assert outcome in ("read", "refused"), f"{name}: {outcome}"
    assert seconds < MAX_SECONDS, f"{name}: {seconds:.1f} s"
    return outcome


def fuzz(count: float, seconds: float, seed: int) -> Counter[str]:
    """Load mutated files, and return the number of outcomes."""
    draw = random.Random(seed)
    end = monotonic() + seconds
    outcomes: Counter[str] = Counter()
    CORPUS.mkdir(exist_ok=True)
    last = CORPUS / "last"
    with tempfile.TemporaryDirectory() as folder:
        while outcomes.total() < count and monotonic() < end:
            name = draw.choice(list(seeds()))
            files = seeds()[name][1]
            data = mutated(draw.choice(files), draw.choice(files), draw)
            last.write_bytes(data)
            try:
                outcomes[f"{name} {read(name, Path(folder), data)}"] += 1
            except Exception:
                last.rename(CORPUS / f"{name}-{seed}-{outcomes.total()}.bin")
                raise
    last.unlink(missing_ok=True)
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    outcomes = fuzz(float("inf"), options.seconds, options.seed)
    sys.stdout.write(f"{outcomes.total():,} files: {dict(outcomes)}\n")


if __name__ == "__main__":
    main()
