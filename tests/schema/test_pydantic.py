"""Schemas that are models of pydantic, with the real pydantic."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pydantic
import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, PositiveInt
from sklearn.base import BaseEstimator

from flask_skmodels import InvalidInput, KeyValueModel, Model, ModelError
from flask_skmodels.bulk.shipped_model import _plain
from flask_skmodels.schema.fields import Inputs, declared
from flask_skmodels.schema.rows import from_python
from flask_skmodels.schema.schema import FixedSchema
from flask_skmodels.versions.trial_task import attributes_of
from tests.support.helpers import serve


class Kind(Enum):
    GENTOO = "Gentoo"
    ADELIE = "Adelie"


class Bird(BaseModel):
    """A bird, as the rest of an application knows it."""

    mass: float = Field(gt=0, le=9000, title="Body mass", json_schema_extra={"x-unit": "g"})
    eggs: int = Field(1, ge=0, lt=4, description="eggs in the nest")
    rings: PositiveInt
    bill: float | None = None
    wing: Annotated[float, Field(ge=100)] | None
    island: Literal["Dream", "Biscoe"] = "Dream"
    kind: Kind = Kind.ADELIE
    tag: str = Field(pattern="^[A-Z]+$", min_length=2, max_length=4)
    seen: date = Field(ge=date(2020, 1, 1))
    is_male: bool = False
    either: int | str
    depth: float = Field(alias="bill depth (mm)")
    weight: float = Field(default_factory=lambda: 1.5)


def test_model_of_pydantic_becomes_rules_of_cerberus() -> None:
    rules = declared(Bird)
    assert rules.pop("weight")["default_setter"]({}) == 1.5
    assert rules == {
        "mass": {
            "type": "number",
            "min": 0,
            "max": 9000,
            "forbidden": [0],
            "meta": {"label": "Body mass", "unit": "g"},
        },
        "eggs": {
            "type": "integer",
            "min": 0,
            "max": 3,
            "default": 1,
            "meta": {"description": "eggs in the nest"},
        },
        "rings": {"type": "integer", "min": 1},
        "bill": {"type": "number", "nullable": True, "required": False},
        "wing": {"type": "number", "nullable": True, "required": True, "min": 100},
        "island": {"allowed": ["Dream", "Biscoe"], "default": "Dream"},
        "kind": {"allowed": ["Gentoo", "Adelie"], "default": "Adelie"},
        "tag": {"type": "string", "minlength": 2, "maxlength": 4, "regex": "^[A-Z]+$"},
        "seen": {"type": "date", "min": date(2020, 1, 1)},
        "is_male": {"type": "boolean", "default": False},
        "either": {"type": ["integer", "string"]},
        "bill depth (mm)": {"type": "number"},
    }


def test_annotations_of_other_libraries_and_settings_that_accept_the_same() -> None:
    class Plain(BaseModel):
        model_config = ConfigDict(alias_generator=str.upper, frozen=True, strict=True)
        a: Annotated[pydantic.FiniteFloat, "a comment"]
        b: pydantic.conint(ge=2, le=3) = 2  # type: ignore[valid-type]
        c: Literal["x", None]
        d: str = Field(pattern="a|b")
        e: datetime | None

    assert declared(Plain) == {
        "A": {"type": "number"},
        "B": {"type": "integer", "min": 2, "max": 3, "default": 2},
        "C": {"allowed": ["x"], "nullable": True, "required": True},
        "D": {"type": "string", "regex": r"[\s\S]*?(?:a|b)[\s\S]*"},
        "E": {"type": "datetime", "nullable": True, "required": True},
    }


class Checked(BaseModel):
    x: float

    @pydantic.field_validator("x")
    @classmethod
    def check(cls, value: float) -> float:
        return value


class Whole(BaseModel):
    x: float

    @pydantic.model_validator(mode="after")
    def check_all(self) -> Whole:
        return self


class Computed(BaseModel):
    x: float

    @pydantic.computed_field
    def twice(self) -> float:
        return self.x * 2


REFUSED: list[tuple[Any, str]] = [
    (Checked, "the validator 'check' of Checked"),
    (Whole, "the validator 'check_all' of Whole"),
    (Computed, "the computed field 'twice' of Computed"),
    (pydantic.RootModel[int], "is a RootModel"),
    ({"x": (list[float], ...)}, "field 'x' of Row: the type list[float]"),
    ({"x": (Checked, ...)}, "field 'x' of Row: the type Checked"),
    ({"x": (Decimal, ...)}, "the type Decimal"),
    ({"x": (Any, ...)}, "the type Any"),
    ({"x": (float | Literal["a"], ...)}, "a union of a type and a Literal or Enum"),
    ({"x": (float, Field(multiple_of=2))}, "the constraint 'multiple_of'"),
    ({"x": (Annotated[float, pydantic.AfterValidator(abs)], ...)}, "the AfterValidator"),
    ({"x": (Annotated[float, object()], ...)}, "the constraint object"),
    ({"x": (float, Field(validation_alias=AliasChoices("a", "b")))}, "its AliasChoices"),
    ({"x": (float, Field(default_factory=lambda data: 1.0))}, "takes the other fields"),
    ({"x": (str, Field(pattern=re.compile("a", re.IGNORECASE)))}, "a pattern with flags"),
    ({"x": (str, ...), "__config__": ConfigDict(str_to_lower=True)}, "the setting 'str_to_lower'"),
]


@pytest.mark.parametrize(("declaration", "said"), REFUSED)
def test_rest_is_refused_by_its_name(declaration: Any, said: str) -> None:
    if isinstance(declaration, dict):
        declaration = pydantic.create_model("Row", **declaration)
    with pytest.raises(ModelError, match=re.escape(said)):
        declared(declaration)


def test_model_of_pydantic_1_is_refused() -> None:
    old = type("Old", (), {"__fields__": {}})
    with pytest.raises(ModelError, match="Old is a model of pydantic 1, but pydantic 2 is needed"):
        declared(old)


# Values of the types that JSON has. Cerberus stays the law: it takes the default for null, and no
# text for a number.
VALUES: dict[str, tuple[Any, ...]] = {
    "mass": (0, -0.0, 5e-324, 9000, 9000.1, -1, None),
    "eggs": (0, -1, 3, 4),
    "rings": (0, 1, 2),
    "bill": (None, 1.5),
    "wing": (None, 100, 99.9),
    "island": ("Dream", "Java"),
    "kind": ("Gentoo", "GENTOO"),
    "tag": ("A", "AB", "ABCDE", "ab", "AB\u00c4"),
    "is_male": (True, False),
    "either": (1, "x", None),
}
GOOD: dict[str, Any] = {
    "mass": 1.0,
    "eggs": 2,
    "rings": 1,
    "bill": 1.0,
    "wing": None,
    "tag": "ABC",
    "seen": date(2026, 1, 1),
    "either": "x",
    "bill depth (mm)": 1.0,
}


@pytest.fixture(scope="module")
def schema() -> FixedSchema:
    return FixedSchema(declared(Bird), Inputs(container="array"))


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, each in VALUES.items() for value in each]
)
def test_accepts_what_pydantic_accepts(schema: FixedSchema, field: str, value: Any) -> None:
    row = GOOD | {field: value}
    try:
        Bird.model_validate(row)
    except pydantic.ValidationError:
        with pytest.raises(InvalidInput):
            schema.clean(from_python(row))
    else:
        schema.clean(from_python(row))


@pytest.mark.parametrize("field", GOOD)
def test_requires_what_pydantic_requires(schema: FixedSchema, field: str) -> None:
    row = {name: value for name, value in GOOD.items() if name != field}
    try:
        Bird.model_validate(row)
    except pydantic.ValidationError:
        with pytest.raises(InvalidInput, match="required field"):
            schema.clean(from_python(row))
    else:
        schema.clean(from_python(row))


class Sizes(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sepal_length: float = Field(gt=0, description="in the field")
    sepal_width: float = Field(3.0, gt=0)
    petal_length: float = Field(gt=0)
    petal_width: float = Field(gt=0, le=5)


class Iris(KeyValueModel):
    schema = Sizes


def test_model_is_served_with_it(pipeline: BaseEstimator) -> None:
    client = serve(Iris(pipeline=pipeline))
    row = {"sepal_length": 5.1, "petal_length": 1.4, "petal_width": 0.2}
    assert client.post("/iris/predict", json=row).get_json()["predictions"] == [0]
    described = client.get("/iris/").get_json()
    assert described["required"] == ["sepal_length", "petal_length", "petal_width"]
    assert described["fields"]["sepal_length"] == {
        "type": "number",
        "minimum": 0,
        "not": {"enum": [0]},
        "description": "in the field",
    }
    wrong = client.post("/iris/predict", json=row | {"petal_width": 0, "colour": 1}).get_json()
    assert [(e["field"], e["rule"]) for e in wrong["errors"]] == [
        ("colour", "unknown"),
        ("petal_width", "forbidden"),
    ]


def test_other_processes_get_rules_instead_of_the_class(pipeline: BaseEstimator) -> None:
    model = Iris(name="iris", pipeline=pipeline)
    expected = {"schema": declared(Sizes), "purge_unknown": False}
    assert expected.items() <= attributes_of(model).items()
    plain = _plain(model)
    assert (plain.schema, plain.purge_unknown) == (expected["schema"], False)
    assert type(plain) in Model.__subclasses__()
