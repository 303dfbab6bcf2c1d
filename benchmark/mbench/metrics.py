"""Metrics for rankings of any origin: `evaluate(MetricSpec.model_validate("recall@10"), rankings, relevant)`.

The public face of the scoring room; the definitions stand with the functions in `mbench.scoring.metrics`.
"""

from mbench.core.specs import MetricSpec
from mbench.core.types import Judgments, Rankings, Sets
from mbench.scoring.metrics import evaluate, evaluate_all
from mbench.scoring.stats import Interval, intervals, mean

__all__ = ["Interval", "Judgments", "MetricSpec", "Rankings", "Sets", "evaluate", "evaluate_all", "intervals", "mean"]
