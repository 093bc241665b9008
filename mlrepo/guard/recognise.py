"""Recognize results by content: LoadGen's logs and files derived from them, in any place."""

from __future__ import annotations

import re

from mlrepo.secret_anchors import views

# The kind, a pattern found in such files at the start of a line or in a form that code never has,
# and bytes that any matching file contains.
_SIGNS: tuple[tuple[str, str, bytes], ...] = (
    ("LoadGen's summary", r"^[ \t]{0,40}Result is[ \t]{0,9}: *(?:IN)?VALID\b", b"Result is"),
    ("LoadGen's summary", r"^(?:No errors|\d{1,9} ERRORS?) encountered", b" encountered"),
    ("LoadGen's detail log", r"^:::MLLOG \{\"key\"", b":::MLLOG"),
    ("LoadGen's detail log", r"^:::MLPv\d", b":::MLPv"),
    ("LoadGen's detail log", r"^\"pid\": \d{1,9}, \"tid\": \d{1,9}, \"ts\": \d", b'"tid"'),
    (
        "LoadGen's accuracy log",
        r"\"qsl_idx\" ?: ?\d{1,19},?\s{0,9}\"(?:seq_id\" ?: ?\d|data\" ?: ?\")",
        b'"qsl_idx"',
    ),
    ("LoadGen's trace", r"^\{\"name\": ?\"IssueQuery\"", b'"IssueQuery"'),
    ("an accuracy", r"^hash=[0-9a-f]{64}\b", b"hash="),
    ("an accuracy", r"^accuracy=\d", b"accuracy="),
    ("an accuracy", r"\"exact_match\" ?: ?\d", b'"exact_match"'),
    ("a test's verdict", r"^(?:[Rr]eference|[Tt]est) score ?= ?\d", b" score"),
    ("a power log", r"^Time,[^,\n]{1,40},Watts,", b",Watts,"),
    ("an endpoint's results", r"\"n_samples_completed\"\s?:", b'"n_samples_completed"'),
    ("an endpoint's accuracy", r"\"accuracy_scores\"\s?:", b'"accuracy_scores"'),
    ("a published table", r"^Organization,Availability,", b"Organization,Availability"),
    ("a published table", r"\"Performance_(?:Units?|Result)\"\s?:", b'"Performance_'),
    (
        "a run's record",
        r"\"schema\"\s?: ?\"mlrepo\."
        r"(?:run|runs|log|show|status|compare|peak|suite|check|review|import)/",
        b'"mlrepo.',
    ),
    ("a run's commit", r"^[ \t>]{0,9}MLRepo-Result: \S", b"MLRepo-Result"),
)
# Prefixes of quoted lines in mail, Markdown and patches. A quoted log is still a log.
_QUOTES = re.compile(rb"^[ \t]{0,40}[>+\-][ \t>+\-]{0,40}", re.MULTILINE)
_MARKS = b"\xef\xbb\xbf\xff\xfe"  # byte order marks at the start of a file
_PATTERNS = tuple(
    (kind, re.compile(pattern.encode(), re.MULTILINE), anchor) for kind, pattern, anchor in _SIGNS
)


def kind_of_result(data: bytes) -> str:
    """Return the kind of result that a file or a message is or quotes; empty if none."""
    for view in (view.lstrip(_MARKS) for view in views(data)):
        for kind, pattern, anchor in _PATTERNS:
            if anchor in view and (pattern.search(view) or pattern.search(_QUOTES.sub(b"", view))):
                return kind
    return ""
