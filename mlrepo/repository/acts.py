"""What was decided about recorded runs afterwards: acts, their trailers, and their fold.

A record is never changed. Whoever withdraws, tags or moves a run commits an act to its experiment
branch: one small file of its own, ``runs/<run-id>/acts/<id>.json``, so that the acts of several
clones merge without conflict, and one trailer in the commit's message::

    MLRepo-Act: withdraw 20261123T203716Z-30c3b3 {"id": "…", "who": "…", "why": "…", "values": {}}

History is searched by the trailers and reads no file. :func:`curated` is the only place that says
what the acts on a run amount to.
"""

from __future__ import annotations

import datetime
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mlrepo.paths import RepoPath
from mlrepo.record import is_run_id
from mlrepo.record.forms import plain_text

if TYPE_CHECKING:
    from mlrepo.record import HostFacts, RunRecord

SCHEMA = "mlrepo.act/1"
ACTS = "acts"
TRAILER = "MLRepo-Act: "

WITHDRAW = "withdraw"
RESTORE = "restore"
NOTE = "note"
TAG = "tag"
MOVE = "move"
PRUNE = "prune"
# An act on an experiment, by its old name: every run before it in the branch's history.
RENAME = "rename"

KNOWN = frozenset({WITHDRAW, RESTORE, NOTE, TAG, MOVE, PRUNE, RENAME})

# To the year 8999, so that there is always a later one.
_ID = re.compile(r"[1-8][0-9]{7}T[0-9]{6}\.[0-9]{6}Z-[0-9a-f]{6}\Z")
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_ACT = re.compile(r"MLRepo-Act: ([a-z]+) (\S+) (\{.*\})\Z")


@dataclass(frozen=True)
class Act:
    """One decision about a run.

    Attributes
    ----------
    id:
        When it was made, in UTC, and six random digits: acts are in the order of their ids.
    action:
        One of this module's constants; those of a newer mlrepo are listed and change nothing.
    run:
        The run's id; for :data:`RENAME`, the old name of the experiment.
    why, who:
        The reason as the user gave it, and the committer's name and address.
    values:
        What the action sets: ``note``; ``add`` and ``remove``, tags with commas between them;
        ``system``, ``sut``, ``configuration``, ``placed``, ``fields`` and ``contradictions`` (of
        the description by the host); ``experiment`` and ``from``.
    commit:
        Where it was found; '' for one that is not committed yet.
    """

    id: str
    action: str
    run: str
    why: str = ""
    who: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    commit: str = field(default="", compare=False)

    @property
    def when(self) -> str:
        """When it was made, as records write times: RFC 3339 in UTC, to the second."""
        moment = datetime.datetime.strptime(self.id.partition("-")[0], _STAMP)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def path(self) -> RepoPath:
        """Where its file is on the experiment branch."""
        return RepoPath(("runs", self.run, ACTS, f"{self.id}.json"))

    @property
    def trailer(self) -> str:
        """The line of the commit message that says it."""
        said = {"id": self.id, "who": self.who, "why": self.why, "values": dict(self.values)}
        return f"{TRAILER}{self.action} {self.run} {json.dumps(said, ensure_ascii=True)}"

    def to_json(self, further: Mapping[str, object] | None = None) -> bytes:
        """Return the bytes of its file; ``further`` values are too large for a trailer."""
        said = {
            "schema": SCHEMA,
            "action": self.action,
            "run": self.run,
            "when": self.when,
            "who": self.who,
            "why": self.why,
            "values": {**self.values, **(further or {})},
        }
        text = json.dumps(said, sort_keys=True, indent=2, ensure_ascii=False)
        return f"{text}\n".encode("utf-8", "backslashreplace")


def new_act_id(after: str = "") -> str:
    """Return the id of an act made now, later than the act ``after`` whatever the clocks say."""
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    if after:
        before = datetime.datetime.strptime(after.partition("-")[0], _STAMP)
        now = max(now, before + datetime.timedelta(microseconds=1))
    return f"{now.strftime(_STAMP)}-{secrets.token_hex(3)}"


def acts_in(message: str, commit: str = "") -> Iterator[Act]:
    """Yield the acts in the last paragraph of a commit's message; skip what no mlrepo wrote."""
    if TRAILER not in message:
        return
    for line in message.rstrip("\n").rpartition("\n\n")[2].splitlines():
        found = _ACT.match(line)
        act = _act(found[1], found[2], found[3], commit) if found else None
        if act is not None:
            yield act


def _act(action: str, run: str, text: str, commit: str) -> Act | None:
    try:
        said = json.loads(text)
        return _from_json(said["id"], action, run, said, commit)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def read_act(path: RepoPath, data: bytes) -> Act | None:
    """Return the act in a file of a branch; None for what no mlrepo wrote."""
    try:
        said = json.loads(data)
        action, run, name = said["action"], path.parts[1], path.name.removesuffix(".json")
        return _from_json(name, action, run, said) if said["schema"] == SCHEMA else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _from_json(name: str, action: str, run: str, said: object, commit: str = "") -> Act | None:
    """Return an act from the parts of its file or trailer.

    Raises
    ------
    ValueError, TypeError
        These are not the parts of an act.
    """
    if not isinstance(said, dict) or not isinstance(said.get("values"), dict):
        return None
    if not _ID.match(name):
        return None
    if action != RENAME and not is_run_id(run):
        return None
    act = Act(
        name,
        action,
        run,
        plain_text(str(said.get("why", ""))),
        plain_text(str(said.get("who", ""))),
        {str(key): plain_text(v) for key, v in said["values"].items() if isinstance(v, str)},
        commit,
    )
    return act if act.when else None


@dataclass(frozen=True)
class Curation:
    """What the acts on a run amount to.

    Attributes
    ----------
    acts:
        In their order.
    withdrawn:
        Why the run is withdrawn; '' if it counts.
    pruned:
        Why its files were removed from the tip of its branch; '' if they are there.
    superseded:
        The run that the row of a summary gives way to; '' if it is none, or counts.
    note:
        The last note about it; '' if there is none.
    left:
        Experiments that it was moved away from, and old names of its experiment.
    recorded:
        The trailers that acts replaced, as the run's commit has them.
    """

    acts: tuple[Act, ...] = ()
    withdrawn: str = ""
    pruned: str = ""
    superseded: str = ""
    note: str = ""
    left: frozenset[str] = frozenset()
    recorded: Mapping[str, str] = field(default_factory=dict)

    @property
    def hidden(self) -> bool:
        """Return whether the run counts no longer."""
        return bool(self.withdrawn or self.pruned or self.superseded)

    @property
    def why_hidden(self) -> str:
        """Say why the run counts no longer, after "it": "was withdrawn: the fan was broken"."""
        if self.withdrawn:
            return f"was withdrawn: {self.withdrawn}"
        if self.pruned:
            return f"was pruned: {self.pruned}"
        if self.superseded:
            return f"gives way to {self.superseded}, which is of the same published result"
        return ""


UNTOUCHED = Curation()

# What the description of a run's system contradicts, of trailers that a move replaces or removes.
_CONTRADICTED = "MLRepo-Contradicted"
# The trailer that each value of a move replaces.
_REPLACED = {
    "system": "MLRepo-System",
    "configuration": "MLRepo-Configuration",
    "experiment": "MLRepo-Experiment",
    "placed": "MLRepo-Placed",
}


def curated(trailers: Mapping[str, str], acts: Iterable[Act]) -> tuple[Mapping[str, str], Curation]:
    """Return a run's trailers as they are now, and what the acts on it amount to.

    Parameters
    ----------
    trailers:
        As the commit that recorded the run has them.
    acts:
        All acts on the run and on experiments, in any order and with repetitions: a rebased commit
        says them again.
    """
    ordered = sorted({act.id: act for act in acts}.values(), key=lambda act: act.id)
    if not ordered:
        return trailers, UNTOUCHED
    now = dict(trailers)
    mine: list[Act] = []
    withdrawn = pruned = note = ""
    left: set[str] = set()
    tags = [tag for tag in now.get("MLRepo-Tags", "").split(",") if tag]
    for act in ordered:
        if act.action == RENAME and act.run != now.get("MLRepo-Experiment"):
            continue  # of an experiment that the run was not in then
        mine.append(act)
        if act.action == WITHDRAW:
            withdrawn = act.why or "no reason is given"
        elif act.action == PRUNE:
            pruned = act.why or "no reason is given"
        elif act.action == RESTORE:
            withdrawn = pruned = ""
        elif act.action == NOTE:
            note = act.values.get("note", "")
        elif act.action == TAG:
            removed = act.values.get("remove", "").split(",")
            added = [tag for tag in act.values.get("add", "").split(",") if tag]
            tags = [tag for tag in tags if tag not in removed]
            tags += [tag for tag in dict.fromkeys(added) if tag not in tags]
        elif act.action in (MOVE, RENAME):
            now |= {_REPLACED[name]: act.values[name] for name in _REPLACED if act.values.get(name)}
            if act.values.get("sut"):
                now.pop(_CONTRADICTED, None)
                now |= {_CONTRADICTED: act.values["fields"]} if act.values.get("fields") else {}
            left.add(act.run if act.action == RENAME else act.values.get("from", ""))
    now["MLRepo-Tags"] = ",".join(tags)
    left -= {"", now.get("MLRepo-Experiment", "")}
    if withdrawn or pruned:
        now["MLRepo-Placed"] = ""
    keys = {**trailers, **now}
    replaced = {k: trailers.get(k, "") for k in keys if now.get(k, "") != trailers.get(k, "")}
    said = {"withdrawn": withdrawn, "pruned": pruned, "note": note}
    return now, Curation(tuple(mine), **said, left=frozenset(left), recorded=replaced)


def curated_record(record: RunRecord, trailers: Mapping[str, str], curation: Curation) -> RunRecord:
    """Return a record as acts have changed it, by what :func:`curated` returns for its run."""
    if not curation.acts:
        return record
    moves = [act for act in curation.acts if act.values.get("sut")]
    placement, path = record.placement, trailers.get("MLRepo-Placed", record.placement.path)
    if path != placement.path:
        placement = replace(placement, placed=bool(path), path=path, reason=curation.why_hidden)
    return replace(
        record,
        placement=placement,
        system=trailers.get("MLRepo-System", record.system),
        sut=moves[-1].values["sut"] if moves else record.sut,
        host=_moved_host(record.host, moves[-1]) if moves else record.host,
        experiment=trailers.get("MLRepo-Experiment", record.experiment),
        tags=tuple(tag for tag in trailers.get("MLRepo-Tags", "").split(",") if tag),
        configuration=trailers.get("MLRepo-Configuration", record.configuration),
    )


def _moved_host(host: HostFacts, move: Act) -> HostFacts:
    """Return the host with what the description that the run was moved to contradicts."""
    from mlrepo.record import DescriptionFacts

    try:
        said = json.loads(move.values.get("contradictions") or "[]")
        description = DescriptionFacts.from_dict({"compared": True, "contradictions": said})
    except (ValueError, RecursionError):  # no mlrepo wrote it
        description = DescriptionFacts()
    return replace(host, description=description)


def next_id(acts: Iterable[Act]) -> str:
    """Return the id of an act that follows all of ``acts``."""
    return new_act_id(max((act.id for act in acts), default=""))
