"""A run's commit message: a line for people, and trailers as the search index."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlrepo.record import (
    ACCURACY,
    FAILED,
    ContradictionFacts,
    DescriptionFacts,
    HostFacts,
    LoadFacts,
    Metric,
    NoiseFacts,
    Placement,
)
from mlrepo.repository.trailers import (
    CONTRADICTED,
    DISTURBED,
    SUBJECT_WIDTH,
    commit_message,
    parse_result,
    parse_trailers,
    run_trailers,
    trailers_then,
)
from tests.samples import sample_record

_HOSTILE = st.text("xM \n\r\t\0\x0b\x0c\x1b\x1c\x85\u2028\udcff:-", max_size=10) | st.sampled_from(
    [
        "x\n\nMLRepo-Run: forged",
        "MLRepo-Run: forged",
        "\nMLRepo-Tags: a\n\n",
        "\r\n\r\nMLRepo-Run: f",
    ]
)


def test_the_message_reads_well() -> None:
    """Subject, body and one paragraph of trailers."""
    assert commit_message(sample_record(reasons=("A reason.",))) == (
        "resnet50 Offline performance: 885.05 samples/s VALID (alpha, onnx)\n"
        "\n"
        "A reason.\n"
        "Placed in closed/Acme/results/alpha/resnet50/Offline.\n"
        "\n"
        "MLRepo-Run: 20261123T120000Z-0a1b2c\n"
        "MLRepo-Experiment: tuning\n"
        "MLRepo-Round: v6.1\n"
        "MLRepo-Division: closed\n"
        "MLRepo-Submitter: Acme\n"
        "MLRepo-System: alpha\n"
        "MLRepo-Backend: onnx\n"
        "MLRepo-Benchmark: resnet50\n"
        "MLRepo-Scenario: Offline\n"
        "MLRepo-Mode: performance\n"
        "MLRepo-Result: 885.05 samples/s\n"
        "MLRepo-Validity: VALID\n"
        "MLRepo-Placed: closed/Acme/results/alpha/resnet50/Offline\n"
        "MLRepo-Tags: first,tuned\n"
        "MLRepo-Record: runs/20261123T120000Z-0a1b2c/run.json\n"
    )


@pytest.mark.parametrize("result", [Metric(50.0, "mAP"), Metric(76.456, "%"), Metric(0.5, "")])
def test_the_result_has_the_unit_of_its_record(result: Metric) -> None:
    """A mAP of 50 is no share of anything; the trailer has every digit of the value."""
    trailer = run_trailers(sample_record(mode=ACCURACY, result=result))["MLRepo-Result"]
    assert trailer == f"{result.value!r} {result.unit}".strip()
    assert parse_result(trailer) == result


def test_a_run_without_result_says_why_it_is_not_placed() -> None:
    """A failed run has no number in its subject, and its reason in the body."""
    message = commit_message(
        sample_record(
            validity=FAILED,
            result=Metric(None, "samples/s"),
            placement=Placement(placed=False, reason="it failed"),
        )
    )
    assert message.startswith("resnet50 Offline performance: FAILED (alpha, onnx)\n")
    assert "\nNot placed: it failed\n" in message
    found = parse_trailers(message)
    assert found is not None
    assert (found["MLRepo-Result"], found["MLRepo-Placed"]) == ("", "")


def test_accuracy_is_told_in_percent() -> None:
    """The unit of an accuracy run is the per cent, whatever the record says."""
    record = sample_record(mode=ACCURACY, result=Metric(76.456, "%"))
    assert run_trailers(record)["MLRepo-Result"] == "76.456 %"


def test_what_is_parsed_is_what_was_written() -> None:
    """Trailers survive the message; numbers in full precision."""
    record = sample_record(result=Metric(1 / 3, "samples/s"))
    assert parse_trailers(commit_message(record)) == run_trailers(record)
    assert run_trailers(record)["MLRepo-Result"] == f"{1 / 3!r} samples/s"


@given(_HOSTILE, _HOSTILE, _HOSTILE, _HOSTILE)
def test_no_value_breaks_the_message(tag: str, reason: str, name: str, why: str) -> None:
    """Whatever values hold, the trailers parse back, the subject is short, the text is clean."""
    record = sample_record(
        tags=(tag, "last"),
        reasons=(reason, reason),
        submitter=name,
        backend={"name": name},
        placement=Placement(placed=False, reason=why),
    )
    message = commit_message(record)
    subject, blank, rest = message.split("\n", 2)
    assert len(subject) <= SUBJECT_WIDTH
    assert blank == ""
    assert parse_trailers(message) == run_trailers(record)
    assert message.count("\nMLRepo-Run: ") == 1
    assert rest.endswith("run.json\n")
    assert not set(message) & set("\0\x0b\x0c\r\x1b\x1c\x85")
    message.encode()


def test_a_long_subject_is_shortened() -> None:
    """Not the trailers: they are the index."""
    record = sample_record(system="s" * 100)
    message = commit_message(record)
    subject = message.partition("\n")[0]
    assert len(subject) == SUBJECT_WIDTH
    assert subject.endswith("…")
    assert f"MLRepo-System: {'s' * 100}\n" in message


def test_at_most_five_reasons_are_told() -> None:
    """A hundred LoadGen errors stay in run.json."""
    message = commit_message(sample_record(reasons=tuple(f"reason {n}" for n in range(100))))
    assert "reason 4\n" in message
    assert "reason 5\n" not in message


_MESSAGE = commit_message(sample_record())


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Merge branch 'main'",
        "Look\n\nMLRepo-Run: 20261123T120000Z-0a1b2c\n\nreally.",
        _MESSAGE + "MLRepo-Run: 20261123T120000Z-0a1b2c\n",
        _MESSAGE + "MLRepo-Result: 99999.0 samples/s\n",
        _MESSAGE.replace("MLRepo-Run: 20261123T120000Z-0a1b2c", "MLRepo-Run: "),
        _MESSAGE.replace("MLRepo-Run", "MLRepo-run"),
    ],
)
def test_other_messages_are_no_runs(message: str) -> None:
    """Without a run id, with a trailer twice, or elsewhere than in the last paragraph: no run."""
    assert parse_trailers(message) is None


def test_lines_that_others_append_do_not_hide_a_run() -> None:
    """``git cherry-pick -x``, sign-offs, and the stripping of trailing blanks are survived."""
    stripped = "\n".join(line.rstrip() for line in _MESSAGE.splitlines())
    for message in (
        _MESSAGE + "(cherry picked from commit 0123456789)\n",
        _MESSAGE + "Signed-off-by: Ada <ada@example.org>\n",
        stripped + "\n\n\n",
    ):
        found = parse_trailers(message)
        assert found is not None
        assert found["MLRepo-Run"] == "20261123T120000Z-0a1b2c"


def test_what_is_to_be_known_beside_the_verdict_is_marked() -> None:
    """Disturbances and an overruled description; commits of before, which lack them, count."""
    noise = NoiseFacts(disturbances=("a neighbour", "heat"))
    description = DescriptionFacts(True, (ContradictionFacts("host_memory_capacity", "2", "1"),))
    record = sample_record(load=LoadFacts(noise=noise), host=HostFacts(description=description))
    found = parse_trailers(commit_message(record))
    assert found is not None
    assert found[DISTURBED] == "2"
    assert found[CONTRADICTED] == "host_memory_capacity"
    assert trailers_then(record, found) == found
    older = {key: value for key, value in found.items() if key not in (DISTURBED, CONTRADICTED)}
    assert trailers_then(record, older) == older
    assert DISTURBED not in run_trailers(sample_record(load=LoadFacts()))
