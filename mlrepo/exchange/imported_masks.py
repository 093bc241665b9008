"""Keep secrets out of the records of imported runs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

from mlrepo.errors import UserError
from mlrepo.exchange.imported_record import ResultFacts
from mlrepo.guard.contents import secret_messages
from mlrepo.harness.spec import ACCURACY_LOG, DETAIL_LOG, SUMMARY_LOG
from mlrepo.record import RunRecord
from mlrepo.secret_scan import find_secrets, without_secrets

_LOGS = (SUMMARY_LOG, DETAIL_LOG, ACCURACY_LOG)


def masked_files(
    files: Mapping[str, bytes], directory: str
) -> tuple[dict[str, bytes], dict[str, int]]:
    """Return the files of a run with each secret masked, and the number of each kind.

    Raises
    ------
    UserError
        One of LoadGen's logs contains a secret: logs are recorded unchanged or not at all.
    """
    masked: dict[str, bytes] = {}
    counts: dict[str, int] = {}
    for name, data in files.items():
        if name in _LOGS and (messages := secret_messages(f"{directory}/{name}", data)):
            raise UserError(
                messages[0],
                hint="A log is imported as it is or not at all: this run and what follows was not.",
            )
        masked[name], found = without_secrets(data)
        for kind, number in found.items():
            counts[kind] = counts.get(kind, 0) + number
    return masked, counts


def masked_facts(facts: ResultFacts) -> ResultFacts:
    """Return the facts with each secret in texts from others masked."""
    return dataclasses.replace(
        facts,
        system=_masked(facts.system),
        measurements=_masked(facts.measurements),
        workflow=_masked(facts.workflow),
    )


def refuse_secret_names(record: RunRecord) -> None:
    """Raise :class:`UserError` if a name in the record is a secret: names are not masked."""
    found = find_secrets(record.to_json())
    if found:
        raise UserError(
            f"A name of this run looks like a secret ({found[0].kind}): it was not imported.",
            hint="It is one of the directories that the run comes from. Rename it in a copy, "
            "import that, and revoke the secret at its issuer.",
        )


def _masked(values: Mapping[str, object]) -> Mapping[str, object]:
    # As text, because secrets are recognized by their context.
    text, counts = without_secrets(json.dumps(values).encode())
    if not counts:
        return values
    try:
        return dict(json.loads(text))
    except ValueError:
        return {}  # the mask of a key without an end marker extends to the end of the text
