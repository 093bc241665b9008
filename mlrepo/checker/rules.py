"""The rules by their stable ids: what each requires, its source, how to fix a breach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlrepo.checker.official.effects import effect_of, rejects
from mlrepo.findings import Severity
from mlrepo.stand_in import WAY_OUT

_CHECKER = "submission checker of mlcommons/inference"
_RULES = "inference_rules.adoc of mlcommons/inference_policies"


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes
    ----------
    id:
        Stable, such as ``performance-validity``.
    title:
        What the rule requires, one sentence.
    source:
        Where it is written.
    hint:
        How to fix a breach.
    severity:
        In the ``strict`` profile; a warning invalidates nothing.
    enforcement:
        Its id in ``enforcement.json``; empty if the rounds' checkers do not differ about it.
    official:
        What every official checker does, in words, if the table does not say it.
    since:
        The first round in which strict enforces it.
    of_its_rounds:
        Whether a breach is only a warning in rounds without the rule (``n/a`` in the table).
    """

    id: str
    title: str
    source: str
    hint: str
    severity: Severity = Severity.ERROR
    enforcement: str = ""
    official: str = ""
    since: str = "v0.7"
    of_its_rounds: bool = False

    @property
    def breaks_strict(self) -> bool:
        """Say whether a breach makes the result invalid in the ``strict`` profile."""
        return self.severity is Severity.ERROR

    def severity_in(self, round_name: str) -> Severity:
        """Return the severity of a breach in the ``strict`` profile of a round."""
        if self.of_its_rounds and self.effect(round_name) == "n/a":
            return Severity.WARNING
        return self.severity

    def effect(self, round_name: str) -> str:
        """Return what the round's official checker does: ``invalid``, ``log``, ``none``…"""
        return effect_of(self.enforcement, round_name)

    def breaks(self, round_name: str) -> bool:
        """Say whether a breach makes the result invalid in the round's official checker."""
        return rejects(self.effect(round_name))


def _table(*rules: Rule) -> Mapping[str, Rule]:
    return {rule.id: rule for rule in rules}


_WARN = Severity.WARNING
_RERUN = "Run the benchmark again with the round's settings."

RULES: Mapping[str, Rule] = _table(
    Rule("unreadable", "Every file that a rule reads is there, regular and well-formed.", _CHECKER,
         "Restore the file from the run; `mlrepo show` names the commit that holds it.",
         official="depends on whether it reads the file: rejects the result, or crashes"),
    Rule("official-crash", "The round's official checker ends with a traceback here.", _CHECKER,
         "Correct this file: until then the official checker gives nobody a verdict.", _WARN,
         official="crashes with a traceback"),
    Rule("tree-symlink", "A submission contains no symbolic links.", _CHECKER,
         "Replace the link by the file it points to.", enforcement="TREE-SYMLINK",
         of_its_rounds=True),
    Rule("tree-size", "No file is larger than 50 MiB.", _CHECKER,
         "Truncate or remove the file.", enforcement="TREE-SIZE-50MB", of_its_rounds=True),
    Rule("tree-dot-name", "No name begins with a dot.", _CHECKER,
         "Remove the file.", enforcement="TREE-DOTFILES", of_its_rounds=True),
    Rule("tree-space", "No name contains a space.", _CHECKER,
         "Rename the file.", enforcement="TREE-SPACES", of_its_rounds=True),
    Rule("tree-name", "Names contain no backslash and no control character.", _RULES,
         "Rename the file: not every system and tool can handle the name.", _WARN),
    Rule("tree-case", "No two names in a directory differ in case only.", _RULES,
         "Keep one of them: where case is ignored, one overwrites the other."),
    Rule("tree-pycache", "No __pycache__ directory.", _CHECKER,
         "Remove the directory.", enforcement="TREE-PYCACHE", of_its_rounds=True),
    Rule("tree-empty-directory", "No directory is empty.", _CHECKER,
         "Remove the directory.", enforcement="TREE-EMPTY-DIR", of_its_rounds=True),
    Rule("tree-root-files", "The root contains only *.md and *.pdf files.", _CHECKER,
         "Move the files into a submitter's directory.", _WARN, "TREE-ROOT-FILES"),
    Rule("tree-division-files", "A division contains only submitters' directories.", _CHECKER,
         "Move the files into a submitter's directory.", enforcement="TREE-DIVISION-FILES",
         of_its_rounds=True),
    Rule("tree-division", "Divisions are closed, open and network.", _CHECKER,
         "Move or remove the directory.", _WARN),
    Rule("tree-special", "A submission contains only regular files and directories.", _CHECKER,
         "Remove the pipe, socket or device, or make the file readable."),
    Rule("tree-no-results", "A submitter has results.", _CHECKER,
         "Remove the submitter's directory or add results.", _WARN),
    Rule("tree-orphan", "Each system and measurement has results.", _CHECKER,
         "Remove what has no result.", enforcement="TREE-ORPHAN-SYSTEMS", of_its_rounds=True),
    Rule("tree-calibration", "A closed submitter has a calibration.md.", _CHECKER,
         "Write calibration.md.", enforcement="TREE-CALIBRATION", since="v5.1", of_its_rounds=True),
    Rule("system-description", "The system description is there and is JSON.", _CHECKER,
         "Write it with `mlrepo system add NAME`.", enforcement="SYS-JSON"),
    Rule("system-field-missing", "A system description has every field of the round.", _CHECKER,
         "Add the field; N/A where there is none.", enforcement="SYS-JSON"),
    Rule("system-field-empty", "Fields that the round requires are not empty.", _CHECKER,
         "Write the value, or N/A.", enforcement="SYS-JSON"),
    Rule("system-status", "status is one of the round's availability values.", _CHECKER,
         "Write available, preview or rdi.", enforcement="SYS-JSON"),
    Rule("system-type", "system_type is a category of the round.", _CHECKER,
         "Write edge, datacenter or datacenter,edge.", enforcement="SYS-JSON"),
    Rule("system-division", "The description's division is the one in its path.", _CHECKER,
         "Write the name of the directory.", enforcement="SYS-JSON"),
    Rule("system-submitter", "The description's submitter is the one in its path.", _CHECKER,
         "Write the name of the directory.", enforcement="SYS-JSON"),
    Rule("system-text", "A field of a system description is a string or a number.", _RULES,
         "Write it as one string."),
    Rule("system-json", "A system description is strict JSON, with one value per field.",
         _RULES, "Keep one value of the field; NaN and Infinity are not JSON numbers."),
    Rule("system-repeated", "A field appears once in a system description.", _RULES,
         "Remove one of the two lines.", _WARN),
    Rule("system-count", "Nodes, processors, cores and accelerators are whole numbers.", _RULES,
         "Give the number alone; put words into hw_notes.", _WARN),
    Rule("system-accelerators", "The number of accelerators and their model agree.", _RULES,
         "Correct the number or the model.", _WARN),
    Rule("system-cores", "The cores are those of one processor, as in its name.", _RULES,
         "Give the physical cores of one processor.", _WARN),
    Rule("system-vcpus", "Logical CPUs are processors × cores × threads per core.", _RULES,
         "Give the physical cores of one processor.", _WARN),
    Rule("system-power-field", "A system with power results has the round's power fields.",
         _CHECKER, "Add the field; no official checker has required it so far.", _WARN),
    Rule("system-unknown-field", "A system description has only fields that the round knows.",
         _CHECKER, "Correct the name, or remove the field.", _WARN),
    Rule("system-copied", "Each system has a description of its own.", _RULES,
         "Describe the system, or show its results under one name.", _WARN),
    Rule("system-not-this-machine", "A description is of the machine that was measured.", _RULES,
         "Correct systems/NAME/system.json and select again, or measure on that machine.", _WARN),
    Rule("network-mode", "is_network agrees with the division, the SUT's name with both.", _CHECKER,
         "Set is_network and name the SUT `Network SUT`.", enforcement="NET-MODE", since="v2.1"),
    Rule("result-unjudged", "A result is judged by the category of its system.", _CHECKER,
         "Correct the description first: its findings are the cause.",
         official="rejects the results of the system, or crashes"),
    Rule("benchmark-unknown", "The benchmark exists in this round and category.", _CHECKER,
         "Rename the directory, or write model_mapping.json in the open division.",
         enforcement="SYS-JSON"),
    Rule("benchmark-repeated", "A system has one directory for each benchmark.", _RULES,
         "Keep the results that you submit, and remove the other directory."),
    Rule("scenario-unknown", "The scenario exists for this benchmark and category.", _CHECKER,
         "Rename or remove the directory.", enforcement="SCEN-UNKNOWN"),
    Rule("scenario-missing", "A closed benchmark has each required scenario.", _CHECKER,
         "Fix the findings of the scenario, or run it if it is missing.",
         enforcement="SCEN-REQUIRED-MISSING"),
    Rule("measurements-missing", "Each result has a measurements directory.", _CHECKER,
         "Add the directory.", enforcement="MEAS-DIR-MISSING"),
    Rule("measurements-incomplete", "The measurements have all files and fields.", _CHECKER,
         "Add what is missing.", enforcement="MEAS-ISSUE"),
    Rule("measurements-empty", "Files and fields of the measurements are not empty.", _CHECKER,
         "Fill in what is empty.", enforcement="MEAS-EMPTY", of_its_rounds=True),
    Rule("performance-missing", "Each result has a performance run.", _CHECKER, _RERUN,
         official="rejects the result"),
    Rule("performance-log", "The performance run's log can be read.", _CHECKER, _RERUN,
         official="rejects the result; from v6.0 on it crashes with a traceback"),
    Rule("performance-validity", "LoadGen calls the run VALID.", _RULES, _RERUN,
         enforcement="PERF-INVALID"),
    Rule("performance-loadgen-error", "LoadGen logged no error.", _RULES, _RERUN,
         enforcement="PERF-LOADGEN-ERROR"),
    Rule("performance-sample-count", "Enough samples are loaded.", _RULES, _RERUN,
         enforcement="PERF-SAMPLE-COUNT"),
    Rule("performance-seeds", "The seeds are the round's.", _RULES, _RERUN,
         enforcement="PERF-SEEDS"),
    Rule("round-seeds", "Most results of a tree have the seeds of its round.", _RULES,
         "Name the round that the results were measured for; or else run the benchmarks again."),
    Rule("performance-latency", "The 99th percentile is within the limit.", _RULES, _RERUN,
         enforcement="PERF-LAT99"),
    Rule("performance-target-latency", "The target latency is within the limit.", _RULES, _RERUN,
         enforcement="PERF-LAT-TARGET"),
    Rule("performance-early-stopping", "Early stopping is satisfied.", _RULES, _RERUN,
         enforcement="PERF-EARLY-STOPPING", since="v2.0"),
    Rule("performance-min-queries", "Enough queries are requested.", _RULES, _RERUN,
         enforcement="PERF-MIN-QUERIES"),
    Rule("performance-samples-per-query", "An Offline query has enough samples.", _RULES, _RERUN,
         enforcement="PERF-OFFLINE-SPQ"),
    Rule("performance-min-duration", "The run lasts long enough.", _RULES, _RERUN,
         enforcement="PERF-MIN-DURATION"),
    Rule("performance-token-latency", "Token latencies are within the limits.", _RULES, _RERUN,
         enforcement="PERF-LLM-TTFT-TPOT", since="v4.0"),
    Rule("performance-equal-issue", "Samples are issued equally often.", _RULES, _RERUN,
         enforcement="PERF-EQUAL-ISSUE", since="v4.1"),
    Rule("performance-equal-issue-configured", "The configuration requests equal issue.",
         _CHECKER, "Add sample_concatenate_permutation to user.conf; v4.1 looks for it there.",
         _WARN, "PERF-EQUAL-ISSUE-CONF", since="v4.1"),
    Rule("performance-files", "The run has LoadGen's files and no others.", _CHECKER,
         "Add what is missing, remove the rest.", enforcement="PERF-FILES"),
    Rule("performance-result", "The result is a finite positive number.", _RULES, _RERUN,
         official="treats 0 as no result, and accepts NaN and negative numbers"),
    Rule("performance-scenario", "The log is of this scenario, or of one it may be inferred from.",
         _RULES, "Put the log of this scenario here.", enforcement="PERF-SCENARIO"),
    Rule("performance-summary", "The summary says what the detail log says.", _RULES,
         "Restore both files from the same run."),
    Rule("summary-seeds", "The summary names the seeds of the detail log.", _RULES,
         "Restore both files from the same run.", _WARN),
    Rule("performance-contradiction", "What LoadGen logged about a run agrees with its result.",
         _RULES, "Restore the logs from the run; an edited log proves nothing."),
    Rule("performance-mode", "The log is of a performance run of the round's samples.", _RULES,
         "Put the log of a performance run here; remove audit.config before it is made."),
    Rule("performance-percentile", "The latency is the percentile that the scenario requires.",
         _RULES, _RERUN),
    Rule("performance-setting", "A run has LoadGen's settings for its benchmark and scenario.",
         "mlperf.conf of the round's LoadGen",
         "Remove the line from user.conf and run the benchmark again."),
    Rule("performance-max-duration", "max_duration is not shorter than the minimum duration.",
         _RULES, "Remove max_duration from user.conf and run the benchmark again."),
    Rule("performance-tokens", "The samples have as many tokens as in the accuracy run.", _RULES,
         "Restore the logs of both runs, or run them again with the same settings."),
    Rule("performance-audited", "The performance run does not use a compliance test's settings.",
         _RULES, "Remove audit.config and run the benchmark again.", _WARN),
    Rule("run-date", "A run is dated after its LoadGen was built and before today.", _RULES,
         "Check the clock of the machine; a log is published as LoadGen wrote it.", _WARN),
    Rule("loadgen-modified", "LoadGen is built from unchanged sources.", _RULES,
         "Build LoadGen from a clean checkout and run the benchmark again.", _WARN),
    Rule("loadgen-differs", "Both runs of a result use the same LoadGen.", _RULES,
         "Say in the README why they differ, or run both again.", _WARN),
    Rule("log-conflict", "A key has one value in a log.", _RULES,
         "Restore the log from the run."),
    Rule("log-incomplete", "A log has the lines that LoadGen writes into every log.", _RULES,
         "Restore the log from the run."),
    Rule("accuracy-missing", "The accuracy run has an accuracy.txt.", _CHECKER,
         "Run the accuracy script.",
         official="rejects the result"),
    Rule("accuracy-files", "The accuracy run has its files and no others.", _CHECKER,
         "Add what is missing, remove the rest.", enforcement="ACC-FILES"),
    Rule("accuracy-target", "The accuracy reaches the target.", _RULES,
         "Fix the model; the open division has no target.", enforcement="ACC-TARGET-CLOSED"),
    Rule("accuracy-text", "accuracy.txt contains the benchmark's metrics.", _CHECKER,
         "Run the round's accuracy script again.", enforcement="ACC-TARGET-CLOSED"),
    Rule("stand-in", "A file is what its name says, not a pointer to it or an error page.",
         _RULES, WAY_OUT),
    Rule("accuracy-hash", "accuracy.txt contains one hash of the accuracy log.", _CHECKER,
         "`mlrepo truncate` writes it.", enforcement="ACC-TARGET-CLOSED"),
    Rule("accuracy-log", "mlperf_log_accuracy.json exists and is truncated.", _CHECKER,
         "`mlrepo truncate` shortens it.", enforcement="ACC-TARGET-CLOSED"),
    Rule("accuracy-loadgen-error", "LoadGen logged no error in the accuracy run.", _RULES, _RERUN,
         enforcement="ACC-LOADGEN-ERROR"),
    Rule("accuracy-data-set", "The accuracy run covers the data set.", _RULES, _RERUN,
         enforcement="ACC-DATASET-SIZE", since="v5.1"),
    Rule("accuracy-answers", "The accuracy log contains answers of the benchmark.", _RULES,
         "Put the log of this benchmark's accuracy run here."),
    Rule("accuracy-mode", "The log in accuracy/ is of an accuracy run.", _RULES,
         "Put the log of the accuracy run here."),
    Rule("accuracy-scenario", "The accuracy run is of the result's scenario.", _RULES,
         "Put the accuracy run of this scenario here.", _WARN),
    Rule("accuracy-range", "An accuracy is a value that its metric can have.", _RULES,
         "Run the round's accuracy script again."),
    Rule("accuracy-summary", "The accuracy run's summary is what LoadGen wrote.", _RULES,
         "Restore both logs from the accuracy run.", _WARN),
    Rule("accuracy-extra-files", "The required images or videos are there.", _CHECKER,
         "Add the files.", enforcement="ACC-EXTRA-FILES", since="v4.0"),
    Rule("compliance", "Each compliance test is there and passes.", _RULES,
         "Run the compliance tests again.", enforcement="COMPLIANCE-MISSING-OR-FAIL"),
    Rule("compliance-copied", "A compliance log is not a copy of another run of the result.",
         _RULES, "Run the compliance test."),
    Rule("compliance-unlike-performance",
         "A test's result agrees with that of its performance run.", _RULES,
         "Run the compliance test again on the same system."),
    Rule("compliance-settings", "A compliance test ran with the settings of its audit.config.",
         _RULES, "Run the test again with its audit.config in the working directory."),
    Rule("compliance-text", "The numbers in a verification agree with its TEST PASS.", _RULES,
         "Run the verification script of the test again; never edit its output."),
    Rule("compliance-other-run", "A test is of the scenario, latency bound and result of its run.",
         _RULES, "Run the test again and verify it against the performance run of this result."),
    Rule("compliance-reference", "The scores in a verification are those of the logs beside it.",
         _RULES, "Verify the test against the performance run that is submitted.", _WARN),
    Rule("compliance-partly", "A test logs and compares all of its responses.", _RULES,
         "Verify the test's own log against the whole accuracy log.", _WARN),
    Rule("compliance-older-audit", "A test ran with the audit.config of its own round.", _RULES,
         "Run the test again with the round's audit.config.", _WARN),
    Rule("compliance-loadgen", "The same LoadGen ran a test and the performance run.", _RULES,
         "Run both with one build of LoadGen.", _WARN),
    Rule("run-copied", "A run is submitted for the system that it was measured on.", _RULES,
         "Submit a run of this system; another system's results are not its own.", _WARN),
    Rule("power-files", "A power run has its files.", _CHECKER,
         "Add what is missing.", enforcement="POWER-FILES", since="v1.0"),
    Rule("power-window", "There are power samples between power_begin and power_end.", _CHECKER,
         "Measure power again.", enforcement="POWER-FILES", since="v1.0"),
    Rule("power-samples", "Power is measured in every second of the run, and is positive.", _RULES,
         "Measure power again, and change nothing in its files.", since="v1.0"),
    Rule("power-not-positive", "Every power sample is positive.", _RULES,
         "Check the analyzer: a sample of 0 W or less is a measurement error.", _WARN),
    Rule("power-session", "The files are those that the power session recorded.", _CHECKER,
         "Restore the files as they were measured, or measure power again.",
         enforcement="POWER-WG-CHECK", since="v1.0"),
    Rule("power-not-verified", "PTDaemon's signatures are checked by the Power WG's tool.",
         _CHECKER, "Run the Power WG's checker.", _WARN),
    Rule("endpoints", "An endpoints result has its configuration and summaries.", _CHECKER,
         "Run the endpoints harness again.",
         official="rejects the result, or crashes with a traceback (v6.1)"),
    Rule("accuracy-not-verified", "Each score of an endpoints result is compared with its target.",
         _RULES, "Compare the score with the target by hand.", _WARN),
)  # fmt: skip
