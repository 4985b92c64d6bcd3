"""Databases as source and sink, through ADBC or SQLAlchemy.

``sqlite:///`` and ``postgresql://`` use the ADBC driver where it is installed, which passes Arrow
batches. Any other URL is passed to SQLAlchemy, including ``dialect+driver://``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from flask_skmodels.exceptions import ScoringError, in_one_line
from flask_skmodels.hints import pip_install
from flask_skmodels.schema.types import ArrowColumn, ArrowSchema, ArrowTable, ArrowType, Values

_DRIVERS = {"sqlite": "adbc_driver_sqlite", "postgresql": "adbc_driver_postgresql"}
_DIALECTS = {"sqlite", "postgresql", "postgres", "mysql", "mariadb", "oracle", "mssql", "duckdb"}


def is_database(name: str) -> bool:
    """Return whether a name is the URL of a database."""
    scheme, mark, _ = name.partition("://")
    return bool(mark) and scheme.partition("+")[0] in _DIALECTS


@contextmanager
def query_batches(url: str, query: str, rows: int) -> Iterator[Iterator[ArrowTable]]:
    """Run a query in a ``with`` block, and return its rows as Arrow batches.

    :param rows: the number of rows that are fetched at a time
    :raises ScoringError: the driver is not installed, or the database refuses the query
    """
    with _errors_of(url):
        if _driver_of(url) is not None:
            with _adbc(url) as connection, connection.cursor() as cursor:
                cursor.execute(query)
                yield iter(cursor.fetch_record_batch())
        else:
            with _engine(url).connect() as connection:
                text = import_module("sqlalchemy").text(query)
                result = connection.execution_options(stream_results=True).execute(text)
                yield _batches(result, rows)


class Table:
    """A table of a database as a sink.

    :param url: the URL of the database
    :param name: the name of the table, which must not exist
    """

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = name

    def exists(self) -> bool:
        """Return whether the table exists."""
        with _errors_of(self.url):
            if _driver_of(self.url) is None:
                engine = _engine(self.url)
                return bool(import_module("sqlalchemy").inspect(engine).has_table(self.name))
            with _adbc(self.url) as connection:
                try:
                    connection.adbc_get_table_schema(self.name)
                except Exception:  # each driver has its own exception
                    return False
                return True

    def write(self, schema: ArrowSchema, tables: Iterable[ArrowTable]) -> None:
        """Create the table and write all rows in one transaction.

        :param schema: the Arrow schema
        :param tables: the Arrow tables of the rows
        """
        with _errors_of(self.url):
            if _driver_of(self.url) is None:
                self._write_by_sqlalchemy(schema, tables)
            else:
                self._write_by_adbc(schema, tables)

    def _write_by_adbc(self, schema: ArrowSchema, tables: Iterable[ArrowTable]) -> None:
        plain = schema.remove_metadata()
        with _adbc(self.url) as connection:
            with connection.cursor() as cursor:
                cursor.adbc_ingest(self.name, plain.empty_table(), mode="create")
                for table in tables:
                    cursor.adbc_ingest(
                        self.name, table.replace_schema_metadata(None), mode="append"
                    )
            connection.commit()

    def _write_by_sqlalchemy(self, schema: ArrowSchema, tables: Iterable[ArrowTable]) -> None:
        sqlalchemy = import_module("sqlalchemy")
        columns = [sqlalchemy.Column(each.name, _sql_type(each.type)) for each in schema]
        table = sqlalchemy.Table(self.name, sqlalchemy.MetaData(), *columns)
        with _engine(self.url).begin() as connection:
            table.create(connection)
            for each in tables:
                rows = each.to_pylist()
                if rows:
                    connection.execute(table.insert(), rows)


def shown(url: str) -> str:
    """Return a URL without its password."""
    scheme, _, rest = url.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}{host}"


class _errors_of:  # noqa: N801 - used as contextlib's are
    """A context in which the error of a driver becomes a ScoringError that names the database."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: Any, traceback: object) -> None:
        module = type(error).__module__.partition(".")[0]
        if module in {"adbc_driver_manager", "sqlalchemy", "psycopg", "sqlite3"}:
            text = in_one_line(error).replace(self._url, shown(self._url))
            raise ScoringError(f"{shown(self._url)}: {text}") from error


def _driver_of(url: str) -> str | None:
    """Return the module of the ADBC driver of a URL, None if SQLAlchemy is to be used."""
    driver = _DRIVERS.get(url.partition("://")[0])
    return driver if driver and find_spec(driver) and find_spec("pyarrow") else None


def _adbc(url: str) -> Any:
    driver = _driver_of(url) or ""
    place = url.partition(":///")[2] or ":memory:" if url.startswith("sqlite") else url
    return import_module(f"{driver}.dbapi").connect(place)


def _engine(url: str) -> Any:
    """Return an engine of SQLAlchemy that keeps no connection open."""
    try:
        sqlalchemy = import_module("sqlalchemy")
        return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    except ImportError as error:
        package = error.name or "sqlalchemy"
        needed = f"{package} is not installed: {pip_install(package)}"
        raise ScoringError(f"{shown(url)}: {needed}") from None


def _batches(result: Any, rows: int) -> Iterator[ArrowTable]:
    """Yield the rows of a result as Arrow batches that all have the types of the first."""
    pyarrow = import_module("pyarrow")
    names, schema = list(result.keys()), None
    for part in result.partitions(rows):
        columns: list[Values] = list(zip(*part, strict=True))
        if schema is None:
            arrays = [_plain_array(column) for column in columns]
            batch = pyarrow.RecordBatch.from_arrays(arrays, names=names)
            schema = batch.schema
        else:
            arrays = [
                _plain_array(column, field.type)
                for column, field in zip(columns, schema, strict=True)
            ]
            batch = pyarrow.RecordBatch.from_arrays(arrays, schema=schema)
        yield batch


def _plain_array(values: Values, kind: ArrowType = None) -> ArrowColumn:
    """Return values as an Arrow array, decimals as doubles, a column of nulls as texts."""
    pyarrow = import_module("pyarrow")
    array = pyarrow.array(values)
    if pyarrow.types.is_decimal(array.type):
        array = array.cast(pyarrow.float64())
    if kind is None:
        return array.cast(pyarrow.string()) if pyarrow.types.is_null(array.type) else array
    return array if array.type == kind else array.cast(kind)


def _sql_type(kind: ArrowType) -> Any:
    pyarrow, sqlalchemy = import_module("pyarrow"), import_module("sqlalchemy")
    types = pyarrow.types
    if types.is_boolean(kind):
        return sqlalchemy.Boolean()
    if types.is_integer(kind):
        return sqlalchemy.BigInteger()
    if types.is_floating(kind):
        return sqlalchemy.Double()
    if types.is_date(kind):
        return sqlalchemy.Date()
    if types.is_timestamp(kind):
        return sqlalchemy.DateTime(timezone=kind.tz is not None)
    return sqlalchemy.Text()
