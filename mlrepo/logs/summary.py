"""``mlperf_log_summary.txt``: the sentences that LoadGen writes for people."""

from __future__ import annotations

import re

_CONDITION = re.compile(r"^\s+(\w[\w ]*?) satisfied\s*: NO\s*$", re.MULTILINE)
_ADVICE = re.compile(r"^ \* (.+)$", re.MULTILINE)


def invalid_reasons(summary: str) -> tuple[str, ...]:
    """Return why LoadGen calls a run INVALID: failed conditions, then its recommendations.

    The text after "Early Stopping Result" explains the percentile estimate of valid runs too, so
    it counts only when early stopping itself is not satisfied.
    """
    head = summary.partition("Additional Stats")[0].rstrip("=\n")
    verdict, _, early_stopping = head.partition("Early Stopping Result:")
    reasons = [f"{name} not satisfied" for name in _CONDITION.findall(verdict)]
    advice = _ADVICE.findall(verdict.partition("Recommendations:")[2])
    if any(reason.startswith("Early stopping") for reason in reasons):
        advice += [" ".join(early_stopping.split()).replace("* ", "")] if early_stopping else []
    return tuple(reasons + [text.strip() for text in advice])
