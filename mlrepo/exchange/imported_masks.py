"""Keep secrets out of the records of imported runs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterable, Mapping, Sequence

from mlrepo.errors import UserError
from mlrepo.exchange.imported_record import ResultFacts
from mlrepo.exchange.imported_run import RECORD_FILE, ImportedRun
from mlrepo.guard.contents import secret_messages
from mlrepo.harness.spec import ACCURACY_LOG, DETAIL_LOG, SUMMARY_LOG
from mlrepo.secret_anchors import KINDS, possible_kinds
from mlrepo.secret_scan import find_secrets, without_secrets

_LOGS = (SUMMARY_LOG, DETAIL_LOG, ACCURACY_LOG)
_SEARCHED_AT_ONCE = 1 << 20


def kinds_in(texts: Iterable[bytes]) -> list[str]:
    """Return the kinds of secrets that may be in the texts, which together take one search."""
    found: set[str] = set()
    held: list[bytes] = []
    for text in texts:
        held.append(text)
        if sum(map(len, held)) > _SEARCHED_AT_ONCE:
            found.update(possible_kinds(b"\n".join(held)))
            held.clear()
    found.update(possible_kinds(b"\n".join(held)))
    return [kind for kind in KINDS if kind in found]


def masked_files(
    files: Mapping[str, bytes], directory: str, kinds: Collection[str] = KINDS
) -> tuple[dict[str, bytes], dict[str, int]]:
    """Return the files of a run with each secret masked, and the number of each kind.

    Only the ``kinds`` are searched for, if it is already known that there are no others.

    Raises
    ------
    UserError
        One of LoadGen's logs contains a secret: logs are recorded unchanged or not at all.
    """
    masked: dict[str, bytes] = {}
    counts: dict[str, int] = {}
    for name, data in files.items():
        if name not in _LOGS:
            masked[name], found = without_secrets(data, kinds)
            add_counts(counts, found)
            continue
        if messages := secret_messages(f"{directory}/{name}", data, kinds):
            raise UserError(
                messages[0],
                hint="A log is imported as it is or not at all: this run and what follows was not.",
            )
        masked[name] = data
    return masked, counts


def masked_facts(facts: ResultFacts, kinds: Collection[str] = KINDS) -> ResultFacts:
    """Return the facts with each secret in texts from others masked."""
    if not kinds:
        return facts
    (system, found), (measurements, _), (workflow, _) = (
        _masked(text, kinds) for text in facts.texts
    )
    return dataclasses.replace(
        facts, system=system, measurements=measurements, workflow=workflow, redactions=found
    )


def refuse_secret_names(runs: Sequence[ImportedRun]) -> None:
    """Raise :class:`UserError` if a name in one of the records is a secret: it is not masked."""
    records = [run.files[RECORD_FILE] for run in runs]
    kinds = possible_kinds(b"\n".join(records))
    found = [secret for record in records for secret in find_secrets(record, kinds)]
    if kinds and found:
        raise UserError(
            f"A name of this run looks like a secret ({found[0].kind}): it was not imported.",
            hint="It is one of the directories that the run comes from. Rename it in a copy, "
            "import that, and revoke the secret at its issuer.",
        )


def _masked(
    values: Mapping[str, object], kinds: Collection[str]
) -> tuple[Mapping[str, object], dict[str, int]]:
    # As text, because secrets are recognized by their context.
    text, counts = without_secrets(json.dumps(values).encode(), kinds)
    if not counts:
        return values, counts
    try:
        return dict(json.loads(text)), counts
    except ValueError:
        return {}, counts  # the mask of a key without an end marker extends to the end of the text


def add_counts(counts: dict[str, int], found: Mapping[str, int]) -> None:
    """Add the numbers of masked secrets by kind to ``counts``."""
    for kind, number in found.items():
        counts[kind] = counts.get(kind, 0) + number
