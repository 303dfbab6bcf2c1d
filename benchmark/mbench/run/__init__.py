"""Models meet tasks: data -> retrieval(model) -> scoring -> results. The only room that sees all the others."""

from mbench.run.settings import RunSettings
from mbench.run.suite import Outcome, run
from mbench.run.task import evaluate

__all__ = ["Outcome", "RunSettings", "evaluate", "run"]
