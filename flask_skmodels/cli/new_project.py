"""The files of a new project around the file of a model; see ``flask skmodels new --project``."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import (
    PackageNotFoundError,
    distribution,
    packages_distributions,
    version,
)
from pathlib import Path
from string import Template
from typing import Any

import click

from flask_skmodels.artifacts.declaration import Artifact, Policy
from flask_skmodels.artifacts.loading import Loaded, load
from flask_skmodels.artifacts.profile_beside import load_profile_beside, profile_path
from flask_skmodels.artifacts.skops import untrusted_types
from flask_skmodels.cli.bench import synthetic_rows
from flask_skmodels.cli.console import write_new
from flask_skmodels.cli.profile import measure_file, warn_of
from flask_skmodels.cli.source import class_name_for, literal, options_of
from flask_skmodels.estimators import introspect
from flask_skmodels.estimators.introspect import methods
from flask_skmodels.estimators.profile.profile import Profile
from flask_skmodels.estimators.profile.training_files import TrainingFile
from flask_skmodels.hints import requirement
from flask_skmodels.models import Model, inputs_of, name_of, rules_from
from flask_skmodels.pages.code_samples import curl
from flask_skmodels.schema.fields import InputColumn
from flask_skmodels.schema.json_schema import jsonable, typical_row
from flask_skmodels.schema.types import FieldRules
from flask_skmodels.versions.version import ModelVersion

TEMPLATES = Path(__file__).with_name("project")
_FILES = {
    "app.py": "app.py",
    "test_app.py": "test_app.py",
    "requirements.txt": "requirements.txt",
    "gunicorn.conf.py": "gunicorn.conf.py",
    "Dockerfile": "Dockerfile",
    "dockerignore": ".dockerignore",
    "pytest.ini": "pytest.ini",
    "README.md": "README.md",
}
MAX_KNOWN = 6  # categories that a comment lists
RANGES = "    # enforce_ranges = True  # reject numbers outside those of the training data\n"
_FORMATS = {"skops": "skops", "onnx": "onnx"}  # the extras that formats of model files need


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What a new project needs to know about its model.

    :param name: name of the model
    :param file: the file of the model
    :param loaded: the content of the file
    :param profile: the profile of the training data, None if the data are not known
    :param version: the model as the project will serve it
    :param rules: the rules of the fields, None if rows have no names
    :param columns: the columns of X by name
    :param example: a row that the model predicts
    """

    name: str
    file: Path
    loaded: Loaded
    profile: Profile | None
    version: ModelVersion
    rules: FieldRules | None
    columns: Mapping[str, InputColumn]
    example: Any


def examine_file(name: str, file: Path, data: Path | None, target: str | None) -> Project:
    """Return what a new project needs to know about its model.

    The file is loaded even if it is not pinned, so code in it can run.

    :param name: name of the model
    :param file: the file of a fitted estimator
    :param data: a file of its training data, None for the profile beside the file, if there is one
    :param target: the column of the target in the training data
    :raises SKModelsError: the file, the training data or the name cannot be used
    """
    class_name_for(name_of(Model(name=name)))
    artifact = Artifact(file.absolute(), trusted=untrusted_types(file))
    loaded = load(artifact, Policy(root=Path.cwd(), trust_pickle=True))
    profile = load_profile_beside(file)
    if data is not None:
        profile = profile_of_file(name, loaded, data, target)
    model = Model(name=name, pipeline=loaded.estimator, profile=profile)
    inputs = inputs_of(model, methods(loaded.estimator))
    columns = {column.name: column for column in inputs.columns or ()}
    has_names = inputs.named and inputs.container != "sequence"
    rules = rules_from(inputs) if has_names else None  # otherwise rows are as serve() takes them
    served = Model(name=name, pipeline=loaded.estimator, profile=profile, schema=rules)
    live = ModelVersion(served)
    return Project(
        name=name,
        file=file,
        loaded=loaded,
        profile=profile,
        version=live,
        rules=rules,
        columns=columns,
        example=_example(live),
    )


def profile_of_file(name: str, loaded: Loaded, data: Path, target: str | None) -> Profile:
    """Return the profile of the training data of a model; warn if it has no predictions.

    :param name: name of the model
    :param loaded: its file
    :param data: the file of the training data
    :param target: the column of the target
    :raises SKModelsError: the training data cannot be used
    """
    bare = ModelVersion(Model(name=name, pipeline=loaded.estimator))
    profile, problem = measure_file(bare, TrainingFile(data), target)
    warn_of(problem)
    return profile


def _example(live: ModelVersion) -> Any:
    """Return a row of typical values, or a row made up from the schema if there are none."""
    row = typical_row(live.schema.fields, unnamed=live.schema.unnamed)
    return jsonable(synthetic_rows(live, 1)[0] if row is None else row)


def write_project(project: Project, folder: Path) -> list[Path]:
    """Write the files of a project into a new folder, and return their paths.

    :param project: the model
    :param folder: the folder, which must not exist
    :raises click.ClickException: the folder exists, or it cannot be written
    """
    try:
        (folder / "models").mkdir(parents=True, exist_ok=False)
        copied = folder / "models" / project.file.name
        shutil.copyfile(project.file, copied)
    except FileExistsError as error:
        raise click.ClickException(f"{folder} already exists") from error
    except OSError as error:
        raise click.ClickException(f"cannot write {folder}: {error.strerror}") from error
    written = [copied]
    if project.profile is not None:
        written.append(profile_path(copied))
        project.profile.save(written[-1])
    values = _values(project, folder)
    for template, name in _FILES.items():
        written.append(folder / name)
        text = Template((TEMPLATES / f"{template}.txt").read_text(encoding="utf-8"))
        write_new(written[-1], text.substitute(values))
    return written


def _values(project: Project, folder: Path) -> dict[str, str]:
    """Return the values of the placeholders in the templates."""
    name, live = project.name, project.version
    return {
        "name": name,
        "folder": folder.name,
        "cls": class_name_for(name),
        "base": "Model" if project.rules is None else "KeyValueModel",
        "attributes": "".join(_attributes(project)),
        "example": literal(project.example),
        "method": live.default_method,
        "estimator": introspect.class_name(project.loaded.estimator),
        "file": project.file.name,
        "sha256": project.loaded.sha256,
        "training": _training(project),
        "requirements": "\n".join(_requirements(project)),
        "curl": _curl(project),
        "python": ".".join(map(str, sys.version_info[:2])),
    }


def _attributes(project: Project) -> Iterator[str]:
    options = options_of(project.loaded, untrusted_types(project.file))
    yield f"    pipeline = Artifact(\n        {literal(f'models/{project.file.name}')},\n"
    yield from (f"        {key}={literal(value)},\n" for key, value in options.items())
    yield "    )\n"
    if "predict_proba" in introspect.methods(project.loaded.estimator):
        yield "    probability = True\n"
    if project.profile is not None:
        yield RANGES
    if project.rules is not None:
        yield "    schema = {\n"
        for field, rules in project.rules.items():
            comment = comment_of(project.columns[field])
            yield f"        {literal(field)}: {literal(rules)},{comment}\n"
        yield "    }\n"
    yield f"    examples = [{literal(project.example)}]\n"


def comment_of(column: InputColumn) -> str:
    """Return the values of a column in the training data as a comment, empty if unknown."""
    if column.range is not None:
        return "  # {} to {} in training".format(*column.range)
    known = [literal(value) for value in column.known or ()]
    return f"  # {', '.join(known)} in training" if 0 < len(known) <= MAX_KNOWN else ""


def _training(project: Project) -> str:
    """Return what the README says about the training data."""
    command = f"`flask --app app skmodels profile {project.name} train.csv`"
    if project.profile is None:
        return (
            "The training data are not known here. Measure them with\n"
            f"{command}.\nThen the form begins with typical values, and drift is shown."
        )
    name = profile_path(project.file).name
    return (
        f"`models/{name}` describes the training data ({project.profile.rows} rows).\n"
        "It contains none of the rows. The schema in `app.py` was made from it. If you\n"
        f"train with other data, delete this file and create it again with\n{command}."
    )


def _requirements(project: Project) -> Iterator[str]:
    """Yield the lines of ``requirements.txt``, with the versions that are installed here."""
    extras = ["metrics", *filter(None, [_FORMATS.get(project.loaded.format)])]
    own = requirement(",".join(extras))
    if not own.startswith("Flask-SKModels"):
        yield (
            "# The next line installs Flask-SKModels from a folder on this machine. For an image, "
            "replace it with the path of a wheel built from that folder."
        )
    yield own
    yield "gunicorn"
    yield f"scikit-learn=={version('scikit-learn')}"
    yield from sorted(_other_packages(project))


def _other_packages(project: Project) -> set[str]:
    """Return the packages of the steps of the estimator, and of the data frames that it takes."""
    estimator = project.loaded.estimator
    steps = [estimator, *(step for _, step in getattr(estimator, "steps", ()))]
    roots = {type(step).__module__.partition(".")[0] for step in steps} - {"sklearn", "builtins"}
    if project.version.container in {"pandas", "frame", "polars"}:
        roots.add("polars" if project.version.container == "polars" else "pandas")
    found = {_distribution_of(root) for root in roots} - {"Flask-SKModels", None}
    return {f"{name}=={version(name)}" for name in found if name is not None}


def _distribution_of(module: str) -> str | None:
    """Return the name of the package that a module comes from, None if it is from no package.

    Most packages have the name of their module; a search in all installed packages takes seconds.
    """
    try:
        return str(distribution(module).metadata["Name"])
    except PackageNotFoundError:
        return next(iter(packages_distributions().get(module, ())), None)


def _curl(project: Project) -> str:
    """Return a request for the example as a command."""
    address = f"localhost:8000/{project.name}/{project.version.default_method}/"
    return curl(address, project.example)
