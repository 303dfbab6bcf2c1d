"""Submissions: folders with a model's card, its results and the evidence behind every number.

`inspect` reads one safely and computes nothing; `check` recomputes all that the data at hand allow. Both only read
data: no file of a submission is imported, unpickled or followed out of its folder.
"""

from mbench.publish.submission.checking import Judge, check
from mbench.publish.submission.copies import Others
from mbench.publish.submission.inspecting import inspect
from mbench.publish.submission.records import (
    Averaged,
    Finding,
    Inspected,
    Report,
    ServerAnswer,
    Submitted,
    TaskReport,
)
from mbench.publish.submission.trust import Trusted, trusted

__all__ = [
    "Averaged",
    "Finding",
    "Inspected",
    "Judge",
    "Others",
    "Report",
    "ServerAnswer",
    "Submitted",
    "TaskReport",
    "Trusted",
    "check",
    "inspect",
    "trusted",
]
