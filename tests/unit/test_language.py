"""Language benchmarks without an engine: data sets, answers as bytes, and their accuracy."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlrepo.bench.request import BenchRequest
from mlrepo.errors import InvalidResult, UserError
from mlrepo.generated import Generated
from mlrepo.harness.loadgen import read_settings
from mlrepo.logs.accuracy_text import read_metrics
from mlrepo.record import PERFORMANCE, AccuracyEntry
from mlrepo.rounds import SHIPPED
from mlrepo.scenarios import SCENARIOS
from mlrepo.workloads import Model
from mlrepo.workloads.language import LLAMA3_1_8B, LLAMA3_1_8B_EDGE, SMOLLM2
from mlrepo.workloads.language.bfcl import NAME, Bfcl, BfclQuestions
from mlrepo.workloads.language.cnn_dailymail import Articles, CnnDailyMail
from tests.gguf_files import language_model, write_gguf
from tests.language import QUESTIONS, write_articles, write_bfcl

_NO_MODEL = Model("none", Path("none"), "")


def _entries(*answers: bytes) -> Iterator[AccuracyEntry]:
    return (AccuracyEntry(index, data) for index, data in enumerate(answers))


def _text(text: str) -> bytes:
    (response,) = SMOLLM2.of_model("").task.postprocess([Generated(text, (), 3)], [0])  # type: ignore[list-item]
    assert not isinstance(response, bytes)
    return response.data


@pytest.fixture
def questions(tmp_path: Path) -> BfclQuestions:
    """The converted questions of the tests."""
    Bfcl().add(tmp_path / "home", write_bfcl(tmp_path / "data"), {})
    return BfclQuestions(Bfcl().find(tmp_path / "home", _NO_MODEL))


def test_questions_are_converted_verified_and_found(tmp_path: Path) -> None:
    """A changed file is named; registering again is enough."""
    home, data = tmp_path / "home", write_bfcl(tmp_path / "data")
    bfcl = Bfcl()
    assert bfcl.status(home) is None
    assert bfcl.needed(home, _NO_MODEL) == (f"mlrepo dataset prepare {NAME}",)
    with pytest.raises(UserError, match="is not on this machine"):
        bfcl.find(home, _NO_MODEL)
    here = bfcl.add(home, data, {})
    assert (here.samples, here.path) == (5, data)
    assert "The whole set has 1000" in here.warning
    assert bfcl.needed(home, _NO_MODEL) == ()
    before = bfcl.verify(home, 1, lambda done, total: None)
    changed = data / "possible_answer" / "BFCL_v4_parallel.json"
    changed.write_text(changed.read_text().replace("[4]", "[5]"))
    with pytest.raises(InvalidResult, match=r"BFCL_v4_parallel\.json .* was changed"):
        bfcl.verify(home, 1, lambda done, total: None)
    bfcl.add(home, data, {})
    assert bfcl.verify(home, 1, lambda done, total: None) != before


@pytest.mark.parametrize("damage", ["no files", "not JSON", "no answer"])
def test_other_files_are_refused_and_nothing_is_left(tmp_path: Path, damage: str) -> None:
    """The message names the file and what it lacks."""
    data = write_bfcl(tmp_path / "data")
    answers = data / "possible_answer" / "BFCL_v4_multiple.json"
    if damage == "no files":
        data = tmp_path
    elif damage == "not JSON":
        answers.write_text("multiple\n")
    else:
        answers.write_text(json.dumps({"id": "other", "ground_truth": []}) + "\n")
    bfcl, place = Bfcl(), data if damage != "no files" else tmp_path / "empty"
    place.mkdir(exist_ok=True)
    with pytest.raises(UserError) as refused:
        bfcl.add(tmp_path / "home", place, {})
    assert "BFCL_v4_" in refused.value.message
    assert bfcl.status(tmp_path / "home") is None


def test_a_sample_asks_with_examples_and_limits_the_answer(questions: BfclQuestions) -> None:
    """The functions are signatures; the last message is the question."""
    (sample,) = questions.load([2])
    messages = sample["messages"]
    assert isinstance(messages, list)
    assert [one["role"] for one in messages] == ["system", *["user", "assistant"] * 2, "user"]
    assert "subtract(a: integer, b: integer): One number" in messages[-1]["content"]
    assert messages[-1]["content"].endswith("Request: Take one from six.")
    assert sample["max_new_tokens"] == 128
    assert questions.name_of(2) == "multiple_0"


def test_the_accuracy_is_the_share_of_right_calls(questions: BfclQuestions) -> None:
    """An answer that is not calls counts as wrong, and how many are calls is told apart."""
    right = [calls for asked in QUESTIONS.values() for _, calls in asked]
    answers = [right[0], "I do not know.", right[2], "[add(a=1, b=2)]", right[4]]
    found = SMOLLM2.task.judge(_entries(*map(_text, answers)), questions)
    assert (found.value, found.unit, found.judged) == (60.0, "%", 5)
    assert found.metrics["CALLS"].value == 80.0
    assert found.text == "accuracy=60.000%, good=3, calls=4, total=5\n"


def test_answers_are_token_ids_that_the_model_s_vocabulary_reads(
    tmp_path: Path, questions: BfclQuestions
) -> None:
    """LoadGen logs int32 ids and gets their number; a text without ids comes after -1."""
    tokens = ["<|end|>", "add(a=2", ",Ġb=3)"]
    model = write_gguf(tmp_path / "model.gguf", language_model(tokens))
    task = SMOLLM2.of_model(str(model)).task
    outputs = [Generated("", [1, 2, 0], 3), Generated("Grüße", (), 2)]
    ids, text = task.postprocess(outputs, [0, 1])  # type: ignore[arg-type]
    assert not isinstance(ids, bytes)
    assert not isinstance(text, bytes)
    assert (ids.data, ids.tokens) == (np.array([1, 2, 0], "<i4").tobytes(), 3)
    assert (text.data[4:].decode(), text.tokens) == ("Grüße", 2)
    assert task.judge(_entries(ids.data), questions).value == 100.0


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (AccuracyEntry(5, b"\xff\xff\xff\xffx"), "sample 5"),
        (AccuracyEntry(0, b"abc"), "3 bytes"),
        (AccuracyEntry(0, b"\1\0\0\0"), "vocabulary"),
    ],
)
def test_logs_of_something_else_are_not_judged(
    questions: BfclQuestions, entry: AccuracyEntry, said: str
) -> None:
    """A sample that is not there, bytes that are no ids, ids of an unknown model; no answer."""
    with pytest.raises(InvalidResult, match=said):
        SMOLLM2.task.judge(iter([entry]), questions)
    with pytest.raises(InvalidResult, match="no response"):
        SMOLLM2.task.judge(iter([]), questions)


def _f_measure(answer: Sequence[str], wanted: Sequence[str]) -> float:
    """Return ROUGE-1 by its definition: shared words by precision and recall."""
    shared = sum((Counter(answer) & Counter(wanted)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(answer), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)


def test_summaries_are_judged_and_printed_as_by_mlperf(tmp_path: Path) -> None:
    """The round's patterns read ROUGE and the generated length out of the text."""
    pytest.importorskip("rouge_score")
    pytest.importorskip("punkt")
    summaries = ["The cat sat on a mat. It was red.", "Rain fell in Rome today."]
    file = write_articles(tmp_path / "cnn_eval.json", [([1, 2], one) for one in summaries])
    articles_set = CnnDailyMail("cnn-dailymail", 13368, "cnn_eval.json")
    here = articles_set.add(tmp_path / "home", file, {})
    assert "13368" in here.warning
    articles = Articles(articles_set.find(tmp_path / "home", _NO_MODEL))
    assert articles.load([1])[0]["input_ids"] == [1, 2]
    answers = ["The dog sat on a mat. It was red.", "Snow in Rome"]
    found = LLAMA3_1_8B.of_model("").task.judge(_entries(*map(_text, answers)), articles)
    pairs = [
        (["the", "dog", "sat", "on", "a", "mat", "it", "wa", "red"], summaries[0].lower()),
        (["snow", "in", "rome"], summaries[1].lower()),
    ]
    wanted = [
        ["the", "cat", "sat", "on", "a", "mat", "it", "wa", "red"],
        ["rain", "fell", "in", "rome", "today"],
    ]
    mean = sum(_f_measure(one, two) for (one, _), two in zip(pairs, wanted, strict=True)) / 2
    assert found.value == pytest.approx(100 * mean, abs=1e-4)
    # Sentences are on lines of their own, so that the longest one counts by itself.
    assert found.details["gen_len"] == sum(map(len, answers))
    round_ = SHIPPED["v6.1"]
    read = read_metrics(found.text, round_.accuracy_patterns("llama3.1-8b", "Offline"))
    assert set(read) == {"ROUGE1", "ROUGE2", "ROUGEL", "ROUGELSUM", "GEN_LEN"}
    assert read["ROUGE1"].number == pytest.approx(found.value)
    assert read["GEN_LEN"].number == found.metrics["GEN_LEN"].value
    assert found.text.splitlines()[1] == "Results"


def test_articles_without_token_ids_are_refused(tmp_path: Path) -> None:
    """The message names the file, the hint where the right one is."""
    file = tmp_path / "cnn_eval.json"
    file.write_text(json.dumps([{"input": "", "tok_input": ["a"], "output": ""}]))
    with pytest.raises(UserError, match=r"cnn_eval\.json is not MLPerf's file"):
        CnnDailyMail("cnn-dailymail", 1, "cnn_eval.json").add(tmp_path / "home", tmp_path, {})


def test_benchmarks_of_the_round_have_its_sizes() -> None:
    """How many articles there are decides how many LoadGen loads."""
    tables = SHIPPED["v6.1"].tables
    for workload in (LLAMA3_1_8B, LLAMA3_1_8B_EDGE):
        size = (tables["dataset_size"] or {}).get(workload.name)
        assert workload.dataset is not None
        assert size == workload.performance_samples == workload.dataset.full_set


@pytest.mark.parametrize("name", list(SMOLLM2.settings))
def test_settings_of_smollm2_are_those_of_llama(tmp_path: Path, name: str) -> None:
    """LoadGen's own mlperf.conf has them for llama3_1-8b; the user's own replace them."""
    request = BenchRequest("smollm2", "x", scenario=name, mode=PERFORMANCE)
    scenario, model = SCENARIOS[name], SMOLLM2.loadgen_model
    conf, _ = request.compose_user_conf(model, None, None, SMOLLM2.settings[name])
    path = tmp_path / "user.conf"
    path.write_text(conf.text)
    ours = read_settings(model, scenario, PERFORMANCE, path)
    theirs = read_settings(LLAMA3_1_8B.loadgen_model, scenario, PERFORMANCE)
    checked = ["use_token_latencies"]
    if scenario.bounded:
        checked += ["ttft_latency", "tpot_latency", "server_target_latency_ns"]
    for key in checked:
        assert getattr(ours, key) == getattr(theirs, key), key
    request = replace(request, extra={"use_token_latencies": "0"})
    conf, _ = request.compose_user_conf(model, None, None, SMOLLM2.settings[name])
    place = ".".join(request.loadgen_names(model))
    assert conf.effective(*request.loadgen_names(model), "use_token_latencies") == "0"
    assert conf.text.count(f"{place}.use_token_latencies") == 1


def test_a_model_that_is_not_there_leaves_other_tasks_alone() -> None:
    """Only tasks that need a vocabulary are bound to a model."""
    from mlrepo.workloads.digits import DIGITS

    assert DIGITS.of_model("model.onnx") is DIGITS
    assert replace(SMOLLM2, task=SMOLLM2.task).of_model("m.gguf").task != SMOLLM2.task


def test_results_are_measured_like_those_of_the_official_benchmark() -> None:
    """In tokens where tokens count; the latency of a stream is that of the whole answer."""
    from mlrepo.workloads.measured import measured_as

    round_ = SHIPPED["v6.1"]

    def key(benchmark: str, scenario: str) -> tuple[str, str]:
        name = measured_as(round_, benchmark, scenario)
        return round_.result_key(name, scenario), round_.unit(name, scenario)

    assert key("smollm2", "Offline") == ("result_tokens_per_second", "tokens/s")
    for scenario in ("Server", "Interactive"):
        assert key("smollm2", scenario) == ("result_completed_tokens_per_second", "tokens/s")
    assert key("smollm2", "SingleStream") == ("result_90.00_percentile_latency_ns", "ms")
    assert key("whisper-base", "Offline") == ("result_tokens_per_second", "tokens/s")
    for benchmark in ("whisper-base", "digits", "no-such-benchmark"):
        assert key(benchmark, "SingleStream") == key("resnet", "SingleStream")
