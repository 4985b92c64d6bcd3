"""The listener that counts the rows of the models with a profile, and reports drift."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import isnan
from threading import Lock
from time import time
from weakref import WeakKeyDictionary

import orjson
from blinker import NamedSignal

from flask_skmodels.engines.after_fork import restart_after_fork
from flask_skmodels.exceptions import InputError
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.models import Model
from flask_skmodels.schema.hidden_fields import shown_names
from flask_skmodels.schema.types import FloatArray, JSONObject
from flask_skmodels.signals import (
    Sender,
    after_prediction,
    drift_detected,
    input_rejected,
    model_loaded,
    notify,
    shadow_prediction,
)
from flask_skmodels.telemetry.drift.counters import Counters
from flask_skmodels.telemetry.drift.counts import FORMAT, Counts, Snapshot, block_rows_of, size_of
from flask_skmodels.telemetry.drift.figures import (
    DriftTotals,
    Figures,
    figures_document,
    stability_of,
    totals_of,
)
from flask_skmodels.telemetry.drift.layout import BinLayout, bin_layout_of, layout_of_outputs
from flask_skmodels.telemetry.drift.shared_counts import Flags, SharedBuffers, directory
from flask_skmodels.telemetry.listener import Listener, Listeners, Receiver
from flask_skmodels.versions.version import ModelVersion

KEPT_UNLOADED = 3  # versions of a model that are not loaded, but whose counts are kept
_DriftKey = tuple[str, str | None]  # model, version


@dataclass(frozen=True, slots=True)
class DriftReport:
    """The drift of one version at one moment.

    :ivar model: the name of the model
    :ivar version: the label of the version, None if the model has no versions
    :ivar threshold: the population stability index above which a field has drifted
    :ivar minimum: the number of rows that are needed for drift
    :ivar layout: the bins
    :ivar totals: the counts
    :ivar figures: the figures of the window
    :ivar shown: the indices of the fields that are not hidden
    :ivar compared: the predictions of the other versions
    """

    model: str
    version: str | None
    threshold: float
    minimum: int
    layout: BinLayout
    totals: DriftTotals
    figures: Figures
    shown: tuple[int, ...]
    compared: tuple[Compared, ...] = ()

    def document(self) -> JSONObject:
        """Return the report as JSON."""
        names: JSONObject = {"model": self.model, "version": self.version}
        document = names | figures_document(self.layout, self.totals, self.figures, self.shown)
        if self.compared:
            document["versions"] = {each.version: each.document() for each in self.compared}
        return document

    def drifted(self) -> Iterator[tuple[int, float]]:
        """Yield the position and the stability index of each shown column that has drifted."""
        outputs = range(len(self.layout.fields), len(self.layout.columns))
        values = self.figures.psi.tolist()
        for index in (*self.shown, *outputs):
            if (value := values[index]) > self.threshold:
                yield index, value


@dataclass(frozen=True, slots=True)
class Compared:
    """The predictions of a shadow or a canary, compared with those of the live version.

    :ivar version: the label of the version
    :ivar role: ``"shadow"`` or ``"canary"``
    :ivar totals: the counts of the version, in the bins of the live version
    :ivar figures: the figures of the version's window, compared with the live version's window
    """

    version: str
    role: str
    totals: DriftTotals
    figures: Figures

    def document(self) -> JSONObject:
        """Return the comparison as JSON."""
        window = figures_document(self.figures.layout, self.totals, self.figures, ())
        return {
            "role": self.role,
            "window": window["window"],
            "predictions": window["predictions"],
        }


class Observed:
    """The counts of one version, in this process and in the processes that share counts with it.

    :param layout: the bins
    :param model: the model, whose ``drift_window`` and ``drift_minimum`` apply
    :param identity: identifies the counts together with the bins
    :param source: the bins of which ``layout`` is a part, by default ``layout`` itself
    """

    def __init__(
        self,
        layout: BinLayout,
        model: Model,
        identity: Iterable[str | None],
        source: BinLayout | None = None,
    ) -> None:
        self.layout = layout
        self.source = source or layout
        self.window, self.minimum = model.drift_window, model.drift_minimum
        self.block_rows = block_rows_of(self.window)
        text = orjson.dumps([FORMAT, *identity, layout.digest, self.window])
        key, folder = sha256(text).hexdigest()[:32], directory()
        size = size_of(layout, self.block_rows)
        self._size = size
        self._since = time()
        self._shared = None if folder is None else SharedBuffers(folder, key, size)
        self.flags = Flags(folder, key)
        self._counters: Counters | None = None
        self._lock = Lock()

    @property
    def counters(self) -> Counters:
        """The counters of this process, made when they are first needed."""
        if self._counters is None:
            with self._lock:
                if self._counters is None:
                    buffer = bytearray(self._size) if self._shared is None else self._shared.open()
                    self._counters = Counters(self.layout, self.window, self.minimum, buffer)
        return self._counters

    def totals(self) -> DriftTotals:
        """Return the counts of all processes."""
        own = [] if self._counters is None else [self._counters.snapshot()]
        snapshots = [*own, *self._others()]
        return totals_of(snapshots or [self._empty()], self.window)

    def stability(self) -> FloatArray:
        """Return the population stability index of each column in the window."""
        if self._shared is None:
            bins, rows = self.counters.window()
        else:
            tally = self.totals().window
            bins, rows = tally.bins, tally.rows
        return stability_of(self.layout, bins, rows, self.minimum)

    def _empty(self) -> Snapshot:
        counts = Counts(self.layout, self.block_rows, bytearray(self._size))
        counts.times[0] = self._since
        return counts.snapshot()

    def _others(self) -> Iterator[Snapshot]:
        if self._shared is None:
            return
        for buffer in self._shared.others():
            snapshot = Counts(self.layout, self.block_rows, buffer).snapshot()
            if snapshot.retired.opened_at:
                yield snapshot


class Drift(Listener):
    """Counts the rows of the models of one extension on one application.

    It listens to predictions only if a model has a profile.

    :param extension: the name of the extension
    :param deployments: models of the extension by name
    :param listeners: connects the receivers of predictions
    :param hidden: names of the fields that are counted, but not shown
    """

    def __init__(
        self,
        extension: str,
        deployments: Mapping[str, Deployment],
        listeners: Listeners,
        hidden: Collection[str] = (),
    ) -> None:
        self.extension = extension
        self._deployments = deployments
        self._listeners = listeners
        self._hidden = hidden
        self._layouts: WeakKeyDictionary[ModelVersion, BinLayout | None] = WeakKeyDictionary()
        self._is_connected = False
        self._observed: dict[_DriftKey, Observed] = {}
        self._compared: dict[tuple[str, str | None, str], Observed] = {}
        self._adders: dict[_DriftKey, Callable[[Prediction], bool] | None] = {}
        self._canaries: set[_DriftKey] = set()
        self._unloaded: dict[str, list[_DriftKey]] = {}  # of each model, in the order of unloading
        self._lock = Lock()
        restart_after_fork(self)

    def receivers(self) -> Mapping[NamedSignal, Receiver]:
        return {model_loaded: self._on_load}

    def restart(self) -> None:
        """Count from the beginning in a forked process."""
        self._lock = Lock()
        self._observed, self._compared, self._adders, self._unloaded = {}, {}, {}, {}

    def watch(self, deployment: Deployment) -> None:
        """Count the rows of a model from now on if its live version has a profile."""
        live = deployment.versions.live
        if live is not None and live.profile is not None:
            self._start()

    def reports(self) -> Iterator[DriftReport]:
        """Yield the drift of each live version and canary that is loaded and has a profile."""
        for deployment in list(self._deployments.values()):
            versions = deployment.versions
            canaries = map(versions.loaded, deployment.model.traffic or ())
            for version in dict.fromkeys((versions.live, *canaries)):
                report = None if version is None else self.report(deployment, version)
                if report is not None:
                    yield report

    def report(
        self, deployment: Deployment, version: ModelVersion | None = None
    ) -> DriftReport | None:
        """Return the drift of the live version of a model, None if it has no profile.

        :param deployment: the model
        :param version: the version, by default the live version; if none is loaded, None is
            returned
        """
        version = deployment.versions.live if version is None else version
        if version is None:
            return None
        observed = self._observe(version)
        return None if observed is None else self._report(deployment, version, observed)

    def _report(
        self, deployment: Deployment, version: ModelVersion, observed: Observed
    ) -> DriftReport:
        label = version.label
        totals = observed.totals()
        figures = Figures(observed.layout, totals.window, observed.minimum)
        return DriftReport(
            deployment.name,
            label,
            deployment.model.drift_threshold,
            observed.minimum,
            observed.layout,
            totals,
            figures,
            tuple(self._shown(version, observed.layout)),
            tuple(self._comparisons(deployment, label, observed, figures)),
        )

    def _shown(self, version: ModelVersion, layout: BinLayout) -> Iterator[int]:
        """Yield the indices of the fields that are not hidden."""
        names = shown_names(version.schema, self._hidden) if self._hidden else None
        for index, field in enumerate(layout.fields):
            if names is None or field.name in names:
                yield index

    def _comparisons(
        self, deployment: Deployment, label: str | None, observed: Observed, figures: Figures
    ) -> Iterator[Compared]:
        model = deployment.model
        roles = {} if model.shadow is None else {model.shadow: "shadow"}
        roles |= dict.fromkeys(model.traffic or (), "canary")
        first = int(observed.layout.offsets[len(observed.layout.fields)])
        for other, role in roles.items():
            if other == label or not observed.layout.outputs or label is None:
                continue
            compared = self._compared_with(deployment, observed.layout, label, other)
            totals, expected = compared.totals(), figures.shares[first:]
            pair = Figures(compared.layout, totals.window, compared.minimum, expected)
            pair.hide(~figures.is_said[len(observed.layout.fields) :])
            yield Compared(other, role, totals, pair)

    def _start(self) -> None:
        """Begin to listen to predictions."""
        with self._lock:
            if self._is_connected:
                return
            self._is_connected = True
        receivers: dict[NamedSignal, Receiver] = {
            after_prediction: self._on_prediction,
            input_rejected: self._on_rejection,
            shadow_prediction: self._on_shadow,
        }
        self._listeners.connect(receivers)

    def _on_load(self, sender: Sender, model: Model, version: str | None, **extra: object) -> None:
        self._adders.pop((model.name, version), None)
        self._forget(model.name)
        found = self._deployments[model.name].versions.loaded(version)
        if found is not None and found.profile is not None:
            self._start()

    def _forget(self, name: str) -> None:
        """Drop the counts of versions that are no longer loaded, except of those unloaded last.

        A version that is soon loaded again, for example after a rollback, continues its counts.
        """
        versions = self._deployments[name].versions
        with self._lock:
            known = dict.fromkeys(key for key in [*self._observed, *self._adders] if key[0] == name)
            in_order = dict.fromkeys([*self._unloaded.get(name, ()), *known])
            unloaded = [key for key in in_order if versions.loaded(key[1]) is None]
            self._unloaded[name] = unloaded[-KEPT_UNLOADED:]
            dropped = set(unloaded[:-KEPT_UNLOADED])
            for key in dropped:
                self._observed.pop(key, None)
                self._adders.pop(key, None)
                self._canaries.discard(key)
            for pair in list(self._compared):
                if dropped.intersection({(pair[0], pair[1]), (pair[0], pair[2])}):
                    del self._compared[pair]

    def _on_prediction(
        self, sender: Sender, model: Model, prediction: Prediction, **extra: object
    ) -> None:
        if prediction.layout is not None:  # an explanation: its row is counted already
            return
        key = prediction.model, prediction.version
        try:
            add = self._adders[key]
        except KeyError:
            add = self._add_key(key)
        if add is None:
            return
        if add(prediction):
            self._check(sender, model, key)
        if self._canaries and key in self._canaries:
            self._compare(sender, prediction, prediction)

    def _on_shadow(
        self, sender: Sender, prediction: Prediction, shadow: Prediction, **extra: object
    ) -> None:
        self._compare(sender, prediction, shadow)

    def _on_rejection(
        self,
        sender: Sender,
        model: Model,
        version: str | None,
        errors: Iterable[InputError],
        **extra: object,
    ) -> None:
        key = model.name, version
        if key not in self._adders:
            self._add_key(key)
        observed = self._observed.get(key)
        if observed is not None:
            observed.counters.add_rejection(errors)

    def _add_key(self, key: _DriftKey) -> Callable[[Prediction], bool] | None:
        """Return the function that counts a version's predictions, None if they are not counted."""
        name, label = key
        version = self._deployments[name].versions.loaded(label)
        if version is None:  # the version was unloaded after its prediction
            return None
        observed = self._observe(version)
        self._adders[key] = add = None if observed is None else observed.counters.add
        if self._deployments[name].versions.loaded(label) is not version:
            self._adders.pop(key, None)  # the version was replaced meanwhile
        if label in (version.model.traffic or {}):
            self._canaries.add(key)
        return add

    def _observe(self, version: ModelVersion) -> Observed | None:
        """Return the counts of a version, which continue if its bins are the same as before."""
        key = version.name, version.label
        try:
            layout = self._layouts[version]
        except KeyError:
            layout = self._layouts[version] = bin_layout_of(version)
        if layout is None:
            return None
        with self._lock:
            known = self._observed.get(key)
            if known is None or known.layout.digest != layout.digest:
                identity = self.extension, *key
                known = self._observed[key] = Observed(layout, version.model, identity)
        return known

    def _check(self, sender: Sender, model: Model, key: _DriftKey) -> None:
        """Send ``drift_detected`` for each column that has drifted since the last time."""
        observed = self._observed.get(key)
        if observed is None:  # its counts were dropped after the prediction was counted
            return
        for index, value in enumerate(observed.stability().tolist()):
            if isnan(value):
                continue
            if value <= model.drift_threshold:
                observed.flags.clear(index)
            elif observed.flags.set(index):
                notify(
                    drift_detected,
                    sender,
                    model=model,
                    version=key[1],
                    field=observed.layout.columns[index].name,
                    statistic="psi",
                    value=value,
                    threshold=model.drift_threshold,
                )

    def _compare(self, sender: Sender, prediction: Prediction, other: Prediction) -> None:
        """Count a prediction of another version in the bins of the live version."""
        deployment = self._deployments[prediction.model]
        live = deployment.versions.live
        if live is None or live.label is None or other.version in (None, live.label):
            return
        observed = self._observe(live)
        if observed is not None and observed.layout.outputs:
            label = str(other.version)
            compared = self._compared_with(deployment, observed.layout, live.label, label)
            compared.counters.add(other)

    def _compared_with(
        self, deployment: Deployment, layout: BinLayout, live: str, label: str
    ) -> Observed:
        """Return the counts of the predictions of a version in the bins of the live version."""
        key = deployment.name, live, label
        with self._lock:
            known = self._compared.get(key)
            if known is None or known.source is not layout:
                outputs = layout_of_outputs(layout)
                known = Observed(outputs, deployment.model, (self.extension, *key), layout)
                self._compared[key] = known
        return known
