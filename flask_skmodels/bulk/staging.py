"""The unfinished output of a run: part files in a folder beside it, the manifest and the lock."""

from __future__ import annotations

import shutil
from pathlib import Path

from flask_skmodels.bulk.durable_files import ASIDE, cannot_write, file_digest, write_durably
from flask_skmodels.bulk.manifest import ChunkEntry, Manifest, differences
from flask_skmodels.bulk.part_files import schema_from_text, schema_text, write_table
from flask_skmodels.bulk.run_lock import RunLock
from flask_skmodels.bulk.sinks import Sink
from flask_skmodels.exceptions import ScoringError
from flask_skmodels.schema.types import ArrowSchema, ArrowTable, JSONMapping, JSONObject


class Staging:
    """The unfinished output of a run.

    :param sink: the output
    :param rejects: the output of the rejects
    """

    def __init__(self, sink: Sink, rejects: Sink) -> None:
        self._sink = sink
        self._rejects = rejects
        base = sink.staging
        self.folder = base.with_name(f"{base.name}.parts")
        self.rejects_folder = base.with_name(f"{base.name}.rejects.parts")
        self.path_of_manifest = base.with_name(f"{base.name}.manifest.jsonl")
        self.lock = RunLock(base.with_name(f"{base.name}.lock"), sink.name)
        try:
            base.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(base.parent, error) from error

    def open(self, run: JSONMapping, *, resume: bool) -> None:
        """Begin a run or continue an earlier one; the lock must be held.

        :param run: the fingerprints of the input and the model, and the options
        :param resume: whether an earlier run may be continued
        :raises ScoringError: there is an output, or an earlier run that cannot be continued
        """
        self.manifest = Manifest(self.path_of_manifest)
        if resume and self.manifest.run is not None and self._is_earlier():
            self._check_unchanged(run)
            if self.manifest.summary is None:
                self._continue()
            return
        self._check_absent()
        if self.manifest.chunks and self.manifest.summary is None:
            raise ScoringError(
                f"an earlier run of {self._sink.name} is not complete: continue it with --resume, "
                f"or remove {self.path_of_manifest} to begin again"
            )
        self._begin(run)

    @property
    def schemas(self) -> tuple[ArrowSchema, ArrowSchema] | None:
        """The Arrow schemas of the output and of the rejects, None before the first chunk."""
        texts = self.manifest.schemas
        if not texts:
            return None
        return schema_from_text(texts["output"]), schema_from_text(texts["rejects"])

    def set_schemas(self, output: ArrowSchema, rejects: ArrowSchema) -> None:
        """Record the schemas, which the first chunk decides."""
        self.manifest.add_schemas(output=schema_text(output), rejects=schema_text(rejects))

    def write(self, entry: JSONObject, table: ArrowTable, rejects: ArrowTable) -> None:
        """Write the results of a chunk, and then record that it is finished.

        :param entry: the chunk and its counts, as in :class:`.ChunkEntry`
        :param table: the Arrow table of the rows that were scored
        :param rejects: the Arrow table of the rejected rows, None if there are none
        """
        index, rejects_sha256 = entry["chunk"], None
        if rejects is not None:
            is_first = not any(e.rejected for e in self.manifest.chunks.values() if e.chunk < index)
            rejects_sha256 = self._write(
                self.rejects_folder, self._rejects, index, rejects, is_first
            )
        sha256 = self._write(self.folder, self._sink, index, table, index == 0)
        self.manifest.add(ChunkEntry(**entry, sha256=sha256, rejects_sha256=rejects_sha256))

    def publish(self) -> str | None:
        """Give the output its name, after the rejects; return the name of the rejects, if any."""
        entries = [self.manifest.chunks[index] for index in sorted(self.manifest.chunks)]
        schemas = self.schemas
        if schemas is None:
            raise ScoringError("there is no chunk to publish")
        self.manifest.publish()
        rejected = [entry.chunk for entry in entries if entry.rejected]
        if rejected:
            files = [self._part(self.rejects_folder, self._rejects, index) for index in rejected]
            self._rejects.publish(schemas[1], self.rejects_folder, files)
        shutil.rmtree(self.rejects_folder, ignore_errors=True)
        parts = [self._part(self.folder, self._sink, entry.chunk) for entry in entries]
        self._keep_only(parts)
        self._sink.publish(schemas[0], self.folder, parts)
        return self._rejects.name if rejected else None

    def _write(
        self, folder: Path, sink: Sink, index: int, table: ArrowTable, is_first: bool
    ) -> str:
        has_header = is_first or not sink.has_one_header
        path = self._part(folder, sink, index)
        return write_durably(
            path, lambda file: write_table(table, file, sink.form, has_header=has_header)
        )

    def _part(self, folder: Path, sink: Sink, index: int) -> Path:
        return folder / f"part-{index:05d}{sink.form.suffix}"

    def _is_earlier(self) -> bool:
        """Return whether there is an earlier run that is complete or can be continued."""
        if self.manifest.summary is not None:
            return self._sink.exists()
        return bool(self.manifest.chunks)

    def _check_unchanged(self, run: JSONMapping) -> None:
        changed = differences(self.manifest.run, run)
        if changed:
            raise ScoringError(
                f"cannot resume {self._sink.name}: {'; '.join(changed)}. To begin again, remove "
                f"{self.path_of_manifest}"
            )
        if self._sink.exists() and not (self.manifest.is_publishing or self.manifest.summary):
            raise ScoringError(f"{self._sink.name} exists, but the earlier run has not written it")

    def _continue(self) -> None:
        """Forget the finished chunks whose files are gone or have changed."""
        output = self._sink.staging
        if self.manifest.is_publishing and not self.folder.exists() and output.is_dir():
            output.replace(self.folder)
        self._make_folders()
        for index, entry in list(self.manifest.chunks.items()):
            files = [(self._part(self.folder, self._sink, index), entry.sha256)]
            if entry.rejects_sha256:
                part = self._part(self.rejects_folder, self._rejects, index)
                files.append((part, entry.rejects_sha256))
            if any(file_digest(path) != sha256 for path, sha256 in files):
                del self.manifest.chunks[index]

    def _begin(self, run: JSONMapping) -> None:
        for folder in (self.folder, self.rejects_folder):
            shutil.rmtree(folder, ignore_errors=True)
        self._make_folders()
        self.manifest.begin(run)

    def _make_folders(self) -> None:
        for folder in (self.folder, self.rejects_folder):
            try:
                folder.mkdir(exist_ok=True)
            except OSError as error:
                raise cannot_write(folder, error) from error

    def _check_absent(self) -> None:
        for sink in (self._sink, self._rejects):
            if sink.exists():
                raise ScoringError(f"{sink.name} exists already: remove it, or name another output")

    def _keep_only(self, parts: list[Path]) -> None:
        """Remove everything but the parts from the folder, such as incomplete files."""
        names = {part.name for part in parts}
        for path in self.folder.iterdir():
            if path.name not in names or path.name.endswith(ASIDE):
                path.unlink()
