"""What acts amount to depends on their ids alone, and they are read as they were written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlrepo.repository.acts import (
    MOVE,
    NOTE,
    PRUNE,
    RENAME,
    RESTORE,
    TAG,
    WITHDRAW,
    Act,
    acts_in,
    curated,
    new_act_id,
    next_id,
    read_act,
)
from mlrepo.repository.trailers import message_of, parse_trailers, run_trailers
from tests.samples import sample_record, sample_run_id

_RUN = sample_run_id(0)
_TRAILERS = run_trailers(sample_record(_RUN))
_NAMES = st.sampled_from(["tuning", "a", "b"])
_TAGS = st.lists(st.sampled_from(["first", "tuned", "x"]), max_size=3).map(",".join)
_VALUES: st.SearchStrategy[dict[str, str]] = st.one_of(
    st.fixed_dictionaries({"note": st.text(max_size=9)}),
    st.fixed_dictionaries({"add": _TAGS, "remove": _TAGS}),
    st.fixed_dictionaries({"experiment": _NAMES, "from": _NAMES}),
    st.fixed_dictionaries({"system": _NAMES, "sut": _NAMES, "configuration": _NAMES}),
    st.just({}),
)
_ACTS = st.builds(
    lambda number, action, why, values, name: Act(
        f"20261123T120000.{number:06}Z-abcdef",
        action,
        name if action == RENAME else _RUN,
        why,
        "A <a@example.org>",
        values,
    ),
    st.integers(0, 999),
    st.sampled_from([WITHDRAW, RESTORE, NOTE, TAG, MOVE, PRUNE, RENAME, "later"]),
    st.text(max_size=9),
    _VALUES,
    _NAMES,
)


@given(st.lists(_ACTS, max_size=12, unique_by=lambda act: act.id), st.randoms())
def test_the_fold_knows_neither_the_order_of_reading_nor_repetitions(
    acts: list[Act], random: st.DataObject
) -> None:
    """Branches are merged and rebased in any order; the commit's own trailers are never lost."""
    mixed = acts + acts[: len(acts) // 2]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    trailers, curation = curated(_TRAILERS, mixed)
    assert (trailers, curation) == curated(_TRAILERS, acts)
    committed = {**trailers, **curation.recorded}
    assert {key: value for key, value in committed.items() if value} == {
        key: value for key, value in _TRAILERS.items() if value
    }
    last = [act.action for act in sorted(acts, key=lambda act: act.id)]
    decided = [action for action in last if action in (WITHDRAW, PRUNE, RESTORE)]
    assert curation.hidden == bool(decided and decided[-1] != RESTORE)


@given(_ACTS, st.text())
def test_an_act_is_read_as_it_was_written(act: Act, body: str) -> None:
    """From a trailer whatever the body of the message says, and from its file."""
    message = message_of("Subject", body, [act.trailer])
    assert parse_trailers(message) is None
    (read,) = acts_in(message)
    assert read == act
    if act.action != RENAME:
        assert read_act(act.path, act.to_json({"description": {"a": 1}})) == act


@given(st.binary())
def test_any_file_is_an_act_or_none(data: bytes) -> None:
    """Nothing that a fetch brings raises."""
    path = Act(new_act_id(), NOTE, _RUN).path
    assert read_act(path, data) is None
    list(acts_in(data.decode("utf-8", "replace")))


@given(st.lists(_ACTS, max_size=5))
def test_a_new_act_is_later_than_all_that_its_author_saw(acts: list[Act]) -> None:
    """Also than one by a clock that is ahead."""
    late = Act("89991231T235959.999998Z-ffffff", NOTE, _RUN)
    new = Act(next_id([*acts, late]), NOTE, _RUN)
    assert all(new.id > act.id for act in [*acts, late])
    assert list(acts_in(message_of("Subject", "", [new.trailer]))) == [new]
    assert not list(acts_in(message_of("Subject", "", [new.trailer.replace("8999", "9999")])))
