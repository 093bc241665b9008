"""The ready-made part of a selection: what a tree provides, and what the last selection keeps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlrepo.errors import UserError
from mlrepo.paths import RepoPath
from mlrepo.proposal.selected import ReadyMade
from mlrepo.record import Metric
from mlrepo.repository.commit_view import CommitView, Existing, view_commit
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.selection.last import LastSelection
from mlrepo.selection.ready_pieces import GENERATED, ChosenPart, Overlay, Pieces
from mlrepo.shell import quoted

if TYPE_CHECKING:
    from mlrepo.selection.ready_made import NotTaken, ReadyChoice


@dataclass(frozen=True)
class PlannedReady:
    """A ready-made result of a planned selection.

    Attributes
    ----------
    source:
        Where it comes from.
    metric, accuracy:
        As the checker reads them; empty for a kept result.
    state:
        How it relates to the last selection, as for :class:`Planned`.
    """

    path: str
    source: str
    metric: Metric
    accuracy: str
    state: str


@dataclass(frozen=True)
class ReadyPlan:
    """The ready-made part of a planned selection.

    Attributes
    ----------
    results:
        Sorted by path.
    not_taken:
        Requested results of the tree that are not taken.
    notes:
        Notes for the submitter.
    pieces:
        The objects, by path.
    fresh:
        The ids of objects that may not be on a branch yet.
    listed:
        The entries for the selection's commit message.
    """

    results: tuple[PlannedReady, ...] = ()
    not_taken: tuple[NotTaken, ...] = ()
    notes: tuple[str, ...] = ()
    pieces: Mapping[RepoPath, Existing] = field(default_factory=dict)
    fresh: frozenset[str] = frozenset()
    listed: tuple[ReadyMade, ...] = ()

    @property
    def paths(self) -> frozenset[str]:
        """The paths of the results."""
        return frozenset(result.path for result in self.results)


def plan_ready(
    repository: ResultsRepository,
    last: LastSelection,
    kept: Collection[str],
    choice: ReadyChoice | None,
) -> ReadyPlan:
    """Return the ready-made part of a selection.

    Parameters
    ----------
    kept:
        Paths of the last selection's ready-made results that stay.
    choice:
        The results taken from a tree, if the selection takes ready-made results.
    """
    taken = () if choice is None else choice.results
    new = {result.path for result in taken}
    stays = sorted(set(kept) - new)
    if not new and not stays:
        return ReadyPlan(not_taken=() if choice is None else choice.not_taken)
    before = (
        view_commit(repository, last.commit) if last.commit else CommitView(repository.git, None)
    )
    pieces: Pieces = {}
    listed: dict[str, str] = {}
    if stays:
        roots = tuple(f"{_root(path)}/" for path in stays)
        documents = [
            path
            for path in last.ready
            if path.startswith(roots) and path.split("/")[2] not in GENERATED
        ]
        pieces = ChosenPart.of(stays).pieces(before, documents)
        listed = {path: last.ready[path] for path in (*stays, *documents)}
    results = [PlannedReady(path, last.ready[path], Metric(None, ""), "", "kept") for path in stays]
    fresh: frozenset[str] = frozenset()
    if choice is not None and new:
        source = choice.source
        part = ChosenPart.of(new)
        made = part.pieces(source.view(repository, part))
        fresh = frozenset(entry.oid for entry in made.values())
        pieces = Overlay(before).over(made, pieces)
        documents = [str(path) for path in made if path.parts[2] not in GENERATED]
        listed |= dict.fromkeys([*new, *documents], source.origin)
        for result in taken:
            metric = Metric(result.value, result.unit) if result.value is not None else None
            state = _state(before, last, RepoPath.parse(result.path), made)
            results.append(
                PlannedReady(
                    result.path, source.origin, metric or Metric(None, ""), result.accuracy, state
                )
            )
    return ReadyPlan(
        tuple(sorted(results, key=lambda one: one.path)),
        () if choice is None else choice.not_taken,
        () if choice is None else choice.notes,
        pieces,
        fresh,
        tuple(ReadyMade(path, origin) for path, origin in sorted(listed.items())),
    )


def refuse_collision(ready: ReadyPlan, recorded: Collection[str]) -> None:
    """Raise :class:`UserError` if a result is both ready-made and from recorded runs.

    Parameters
    ----------
    recorded:
        Paths of results from recorded runs.
    """
    both = sorted(ready.paths & set(recorded))
    if not both:
        return
    path = both[0]
    more = f" (and {len(both) - 1} more results)" if len(both) > 1 else ""
    sources = {one.path: one for one in ready.results}
    if sources[path].state == "kept":
        hint = f"Let the ready-made one go: `mlrepo select --drop {quoted(path)}`."
    else:
        hint = (
            f"Take the recorded one: --drop {quoted(path)} leaves it out of the tree. Or withdraw "
            "its runs: `mlrepo run withdraw RUN --why TEXT`."
        )
    raise UserError(
        f"Recorded runs give {path}, and so does {sources[path].source}{more}: only one can be "
        "selected.",
        hint=hint,
    )


def _state(before: CommitView, last: LastSelection, path: RepoPath, made: Pieces) -> str:
    if str(path) not in last.ready:
        return "changed" if str(path) in last else "new"
    there = before.entries(RepoPath(path.parts[:-1])).get(path.name)
    return "same" if there == made.get(path) else "changed"


def _root(path: str) -> str:
    return "/".join(path.split("/")[:2])
