"""The text of a pull request, also with very many results, keeps what people wrote in it."""

from __future__ import annotations

from dataclasses import replace

from mlrepo.checker.report import Report, Result
from mlrepo.delivery.proposal_text import (
    ATTACHED,
    BEGIN,
    END,
    attached_in,
    body_of,
    commit_message,
    describes,
    merged_body,
    title_of,
)
from mlrepo.proposal.selected import SelectedRun, Selection


def _selection(commit: str = "c" * 40) -> Selection:
    path = "open/Acme/results/s|x/digits/Offline"
    runs = (
        SelectedRun(f"{path}/accuracy", "20261123T000000Z-aaaaaa"),
        SelectedRun(f"{path}/performance/run_1", "20261123T000001Z-bbbbbb"),
    )
    return Selection("v6.1", commit, "d" * 40, {"open/Acme": "e" * 40}, runs)


def _report(count: int = 1) -> Report:
    results = tuple(
        Result(
            "open/Acme/results/s|x/digits/Offline" + str(number or ""),
            "open",
            "Acme",
            "s|x",
            "digits",
            "Offline",
            official=True,
            strict=number % 2 == 0,
            value=885.0512345,
            unit="samples/s",
            accuracy="acc: 75.8\n",
        )
        for number in range(count)
    )
    return Report("v6.1", results)


def test_each_result_has_a_row_with_its_runs_and_both_verdicts() -> None:
    """Cells cannot break the table."""
    body = body_of(_selection(), _report())
    assert (
        "| open | `s\\|x` | `digits` | Offline | 885.051 samples/s | acc: 75.8 | valid | valid | "
        "aaaaaa bbbbbb |" in body
    )
    assert f"`{'c' * 40}` of `submission/v6.1`" in body
    [result] = _report().results
    timed = replace(result, token_latencies="TTFT p99 412 ms, TPOT p99 31.2 ms")
    assert "| 885.051 samples/s; TTFT p99 412 ms, TPOT p99 31.2 ms |" in body_of(
        _selection(), Report("v6.1", (timed,))
    )
    assert body.startswith(BEGIN)
    assert body.rstrip().endswith(END)


def test_a_table_that_no_forge_would_take_is_cut() -> None:
    """With the number of rows left out; the provenance stays."""
    body = body_of(_selection(), _report(2000))
    assert len(body) < 60_100
    assert "more results." in body
    assert "runs: 2" in body
    assert "1000 valid by the rules (strict), 2000 by" in body


def test_the_commit_names_every_run_and_its_selection() -> None:
    """In one last paragraph of trailers."""
    message = commit_message(_selection())
    assert message.splitlines()[0] == title_of(_selection())
    trailers = message.rstrip().rpartition("\n\n")[2].splitlines()
    assert trailers == [
        "MLRepo-Round: v6.1",
        "MLRepo-Submitter: Acme",
        "MLRepo-Selected: 20261123T000000Z-aaaaaa open/Acme/results/s|x/digits/Offline/accuracy",
        "MLRepo-Selected: 20261123T000001Z-bbbbbb "
        "open/Acme/results/s|x/digits/Offline/performance/run_1",
        f"MLRepo-Selection: {'c' * 40}",
    ]


def test_the_words_of_people_around_ours_are_kept() -> None:
    """Only what stands between the marks is replaced; without marks all of it is theirs."""
    old, new = body_of(_selection(), _report()), body_of(_selection("9" * 40), _report())
    text = f"Before.\r\n\r\n{old}\r\nAfter."
    assert not describes(text, new)
    assert describes(text, old)
    merged = merged_body(text, new)
    assert merged == f"Before.\r\n\r\n{new.rstrip()}\n\r\nAfter."
    assert describes(merged, new)
    assert describes("I wrote all of this.", new)


def test_what_is_attached_gets_the_room_that_is_left_and_is_known_again() -> None:
    """Between the results and the provenance; the text stays as long as a forge takes it."""
    rooms: list[int] = []

    def attach(room: int) -> str:
        rooms.append(room)
        return "x" * max(0, room)

    for count in (1, 100, 2000):
        body = body_of(_selection(), _report(count), attach)
        assert len(body) < 60_100
        assert body.rstrip().endswith(END)
        assert "runs: 2" in body
    assert rooms[0] > rooms[1] > 30_000 > rooms[2]
    plain, more = body_of(_selection(), _report()), body_of(_selection(), _report(), lambda _: "y")
    assert attached_in(plain) == ""
    assert attached_in(more).split() == [*ATTACHED.split(), "y"]
    assert not describes(plain, more)
    assert describes(more, plain)
    assert describes(more, more)
