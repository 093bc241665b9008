"""Push branches to the place they are exchanged in, after what may not leave was kept back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlrepo.errors import Busy, MlrepoError, RemoteUnavailable
from mlrepo.guard.pushed import Update, judge_content
from mlrepo.repository.discovery import ResultsRepository
from mlrepo.repository.hub import Pushed, PushOutcome
from mlrepo.repository.process import GitError
from mlrepo.sync.exchange import Exchange

_NONE = "0" * 40


@dataclass(frozen=True)
class JudgedPush:
    """Why branches may not leave, by short name, and how the environment lifts the embargo."""

    unfit: dict[str, str]
    lifted: tuple[str, ...] = ()


def judged_push(
    repository: ResultsRepository,
    place: Exchange,
    environ: Mapping[str, str],
    commits: Mapping[str, str],
) -> JudgedPush:
    """Return which of the branches may not leave: a secret, a large file, an embargo.

    What cannot be read may not leave either, since it cannot be searched.
    """
    fetched = place.fetched()
    updates = {
        name: Update(commit, f"refs/heads/{name}", fetched.get(name, _NONE))
        for name, commit in commits.items()
    }
    lifted: tuple[str, ...] = ()

    def judge(some: Iterable[Update]) -> tuple[str, ...]:
        nonlocal lifted
        try:
            judged = judge_content(repository.root, place.name, place.push_url, [*some], environ)
        except GitError as error:
            return (error.message,)
        lifted = judged.lifted
        return judged.messages

    if not judge(updates.values()):
        return JudgedPush({}, lifted)
    found = {name: judge([update]) for name, update in updates.items()}
    unfit = {name: " ".join(messages) for name, messages in found.items() if messages}
    return JudgedPush(unfit, lifted)


def push_each(place: Exchange, commits: Mapping[str, str]) -> dict[str, Pushed]:
    """Push; if Git fails, branch by branch: one of them may be damaged.

    Raises
    ------
    RemoteUnavailable
        The place cannot be reached.
    MlrepoError
        The push of the only branch failed.
    """
    try:
        return place.push(commits)
    except RemoteUnavailable:
        raise
    except MlrepoError:
        if len(commits) == 1:
            raise
    done: dict[str, Pushed] = {}
    for name, commit in commits.items():
        try:
            done |= place.push({name: commit})
        except RemoteUnavailable:
            raise
        except MlrepoError as error:
            lost = isinstance(error, Busy)
            outcome = PushOutcome.LOST if lost else PushOutcome.REFUSED
            done[name] = Pushed(outcome, error.message)
    return done
