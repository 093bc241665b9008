"""A review as Markdown, to paste into an issue or a pull request."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from mlrepo.cli.submission.rendering.reading import (
    findings_in_order,
    first_of_each_rule,
    level,
    printed,
    verdict_line,
)
from mlrepo.exchange.review import Review, ReviewedResult
from mlrepo.findings import Finding
from mlrepo.markdown import code, plain
from mlrepo.shell import quoted


def render(review: Review) -> str:
    """Return the text: verdicts, results beside earlier ones, and findings with file and line."""
    report = review.report
    parts = [
        f"# Review of {plain(review.submitter)}, {review.round}",
        f"Source: {plain(review.source)}",
        "\n".join(f"- {verdict_line(report, profile)}" for profile in ("strict", "official")),
        "## Results",
        "\n".join(_table(review.results)),
    ]
    missing = [one for one in review.results if one.earlier is None]
    if missing:
        parts.append(
            f"{len(missing)} of {len(review.results)} results have no earlier one recorded here; "
            f"`mlrepo import URL --round R --submitter {quoted(review.submitter)}` brings those of "
            "a round."
        )
    found = findings_in_order(report, "strict")
    errors = [finding for finding in found if level(finding, "strict") == "error"]
    warnings = [finding for finding in found if level(finding, "strict") != "error"]
    for title, findings in (("Objections", errors), ("Remarks", warnings)):
        if findings:
            shown, more = first_of_each_rule(findings)
            lines = [_finding(finding) for finding in shown]
            lines += [f"- {plain(line)} (`--json` has all)" for line in more]
            parts += [f"## {title}", "\n".join(lines)]
    if not found:
        parts.append("Nothing was found.")
    return "\n\n".join(parts) + "\n"


def _table(results: Sequence[ReviewedResult]) -> Iterator[str]:
    yield (
        "| division | system | benchmark | scenario | result | accuracy | strict | official "
        "| before | change |"
    )
    yield "|---|---|---|---|--:|---|---|---|---|--:|"
    for one in results:
        result = one.result
        cells = (
            result.division,
            result.system,
            result.benchmark,
            result.scenario,
            result.with_latencies(f"{printed(result)} {result.unit}".strip()),
            result.measured or result.accuracy or "-",
            "valid" if result.strict else "INVALID",
            "valid" if result.official else "INVALID",
            _before(one),
            _change(one),
        )
        yield f"| {' | '.join(map(plain, cells))} |"


def _before(one: ReviewedResult) -> str:
    if one.earlier is None:
        return "-"
    earlier = one.earlier
    system = "" if earlier.same_system else f" ({earlier.system})"
    return f"{earlier.round}: {earlier.value:.6g} {earlier.unit}{system}"


def _change(one: ReviewedResult) -> str:
    change = one.change
    return "-" if change is None or not math.isfinite(change) else f"× {change:.3g}"


def _finding(finding: Finding) -> str:
    place = finding.path + (f":{finding.line}" if finding.line else "")
    lines = [
        f"- [ ] {code(place or '(the whole tree)')}: {plain(finding.message)} ({finding.rule})"
    ]
    if finding.expected or finding.actual:
        lines.append(
            f"      expected: {plain(finding.expected) or '-'}; "
            f"actual: {plain(finding.actual) or '-'}"
        )
    return "\n".join(lines)
