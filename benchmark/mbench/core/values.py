"""Scores and differences of scores as results hold them: fractions, with how sure they are."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    """Base of what is read back from result files: no unknown keys, no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Value(Record):
    """A score as a fraction: the mean over `n` judged queries (tasks, in a group), with its 95% interval."""

    value: float
    n: int = Field(ge=1)
    low: float | None = None
    high: float | None = None


class Difference(Record):
    """A paired difference of two scores as a fraction: the mean over the `n` queries that both judge.

    `low` and `high` are its 95% interval, `p` the two-sided p-value of no difference, `effect` Cohen's d_z. An interval
    is left open where all queries are one cluster, an effect where all queries differ by the same amount.
    """

    value: float
    n: int = Field(ge=1)
    low: float | None = None
    high: float | None = None
    p: float
    effect: float | None = None
