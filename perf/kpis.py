"""KPIs as data: a formula over metrics, one file each in `config/kpis/`, with examples the suite runs.

In a formula a counter stands for its rate per second, a gauge for its value; `speed_bps` is the interface's
speed from the inventory. The same formula is evaluated over arrays (as samples arrive) and as SQL (over tiers).
"""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from perf.files import load
from perf.files import metric as metric_of
from station.catalogue import metrics_by_name
from station.data import data_dir
from station.settings import Settings

F64 = npt.NDArray[np.float64]

FORMULA_LIMIT = 500  # characters
SPEED = "speed_bps"

_OPERATORS: dict[type[ast.operator], tuple[Callable[[F64, F64], F64], str]] = {
    ast.Add: (operator.add, "+"),
    ast.Sub: (operator.sub, "-"),
    ast.Mult: (operator.mul, "*"),
    ast.Div: (operator.truediv, "/"),
}


class FormulaError(ValueError):
    """The formula uses what formulas do not have; the text says what."""


@dataclass(frozen=True, slots=True)
class Formula:
    """An expression of + - * / over names and numbers. Where it divides by zero it has no value (NaN, NULL)."""

    text: str
    tree: ast.expr

    @classmethod
    def parse(cls, text: str) -> "Formula":
        if len(text) > FORMULA_LIMIT:
            raise FormulaError(f"longer than {FORMULA_LIMIT} characters")
        try:
            tree = ast.parse(text, mode="eval").body
        except SyntaxError as error:
            raise FormulaError(f"{text!r} is no expression") from error
        _check(tree)
        return cls(text, tree)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name))

    def values(self, columns: Mapping[str, F64]) -> F64:
        """The formula over columns of one length; NaN where it has no value."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            found = np.asarray(_evaluate(self.tree, columns), np.float64)
        return np.where(np.isfinite(found), found, np.nan)

    def sql(self, column: Callable[[str], str]) -> str:
        """The formula as SQL, each name through `column`; NULL where it divides by zero."""
        return _sql(self.tree, column)


def _check(node: ast.expr) -> None:
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            _check(left)
            _check(right)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            _check(operand)
        case ast.Constant(value=int() | float()) | ast.Name():
            pass
        case _:
            raise FormulaError(f"{ast.unparse(node)!r}: formulas have + - * / numbers and names")


def _evaluate(node: ast.expr, columns: Mapping[str, F64]) -> F64:
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)][0](_evaluate(left, columns), _evaluate(right, columns))
        case ast.UnaryOp(operand=operand):
            return -_evaluate(operand, columns)
        case ast.Constant(value=value):
            return np.asarray(value, np.float64)
        case _:
            assert isinstance(node, ast.Name)
            return columns[node.id]


def _sql(node: ast.expr, column: Callable[[str], str]) -> str:
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            divisor = _sql(right, column)
            if isinstance(op, ast.Div):
                divisor = f"nullIf({divisor}, 0)"
            return f"({_sql(left, column)} {_OPERATORS[type(op)][1]} {divisor})"
        case ast.UnaryOp(operand=operand):
            return f"(-{_sql(operand, column)})"
        case ast.Constant(value=value):
            assert isinstance(value, int | float)
            return repr(value)
        case _:
            assert isinstance(node, ast.Name)
            return column(node.id)


class Example(Settings):
    """One row of inputs and the value they give; `expect = nan` where there is none."""

    says: str
    given: dict[str, float]
    expect: float


class KpiFile(Settings):
    """One file of `config/kpis/`."""

    summary: str
    reference: str
    metric: str
    formula: str
    examples: list[Example]


@dataclass(frozen=True, slots=True)
class Kpi:
    """A derived metric of one kind of entity; its names are metrics of the same family (`icmp.loss` is `loss` in one of `icmp`)."""

    metric: str
    code: int
    formula: Formula
    file: KpiFile


def read(path: Path) -> Kpi:
    """One KPI; its metric must be a derived one of the catalogue, its names metrics of the same entity or `speed_bps`."""
    file = load(KpiFile, path)
    metric = metric_of(file.metric, path, "metric")
    assert metric.derived, f"{path}: {file.metric} is measured, not derived"
    formula = Formula.parse(file.formula)
    family = metric.name.rpartition(".")[0]
    unknown = {name for name in formula.names if f"{family}.{name}" not in metrics_by_name() and (name, family) != (SPEED, "interface")}
    if unknown:
        raise FormulaError(f"{path}: {', '.join(sorted(unknown))}: no metric of {family}")
    return Kpi(file.metric, metric.code, formula, file)


@cache
def kpis() -> tuple[Kpi, ...]:
    """Every KPI of interfaces: computed over whole rows as they come and over the tiers, and stored nowhere."""
    return tuple(kpi for kpi in every() if metrics_by_name()[kpi.metric].entity == "interface")


@cache
def narrow_kpis() -> tuple[Kpi, ...]:
    """Every KPI of anything else: made when one of its metrics comes, and stored as a sample of its own."""
    return tuple(kpi for kpi in every() if metrics_by_name()[kpi.metric].entity != "interface")


@cache
def every() -> tuple[Kpi, ...]:
    """Every KPI of `config/kpis/`."""
    return tuple(read(path) for path in sorted((data_dir("config") / "kpis").glob("*.toml")))
