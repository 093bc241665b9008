"""LoadGen's configuration format (``user.conf``): ``model.scenario.key = number`` lines.

Source: ``TestSettings::FromConfig`` in loadgen/test_settings_internal.cc of mlcommons/inference.
Its parser takes words between white space, silently ignores ``key=value``, and gives up on the
whole file at a comment that is not on its own line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.scenarios import LOADGEN_SCENARIOS

# Keys that FromConfig reads from a user.conf, with their unit.
KEYS: Mapping[str, str] = {
    "mode": "",
    "min_duration": "ms",
    "max_duration": "ms",
    "min_query_count": "queries",
    "max_query_count": "queries",
    "performance_sample_count_override": "samples",
    "accuracy_sample_count_override": "samples",
    "target_latency": "ms",
    "target_qps": "1/s",
    "target_latency_percentile": "%",
    "samples_per_query": "samples",
    "coalesce_queries": "0|1",
    "max_async_queries": "queries",
    "performance_issue_unique": "0|1",
    "performance_issue_same": "0|1",
    "performance_issue_same_index": "sample",
    "sample_concatenate_permutation": "0|1",
    "print_timestamps": "0|1",
    "accuracy_log_rng_seed": "",
    "accuracy_log_sampling_target": "samples",
    "use_token_latencies": "0|1",
    "ttft_latency": "ms",
    "tpot_latency": "ms",
    "infer_token_latencies": "0|1",
    "token_latency_scaling_factor": "",
}
# Keys that it reads only from the mlperf.conf embedded in LoadGen.
EMBEDDED_ONLY = frozenset(
    {
        "qsl_rng_seed",
        "sample_index_rng_seed",
        "schedule_rng_seed",
        "accuracy_log_probability",
        "test05",
        "test05_qsl_rng_seed",
        "test05_sample_index_rng_seed",
        "test05_schedule_rng_seed",
    }
)
# Keys that LoadGen reads with strtod; it silently truncates the fraction of any other.
_FRACTIONS_ALLOWED = frozenset({"target_latency", "target_qps", "target_latency_percentile"})
_PERCENTILE = "target_latency_percentile"
_ANY = "*"
# istream >> string splits at these in the C locale, not at other Unicode white space.
_WORD = re.compile(r"[^ \t\n\v\f\r]+")
# Without leading zeros: strtoull with base 0 reads 010 as eight.
_WHOLE = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_DECIMAL = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
# The largest values that LoadGen can hold: it converts milliseconds to 64-bit nanoseconds.
_LARGEST = {"ms": (2**63 - 1) // 10**6, "": 2**64 - 1}
_LARGEST_OF_KEY = {"max_async_queries": 2**31 - 1}
# The byte-order marks of other encodings, and UTF-8's, which is not part of the text.
_OTHER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_MARK = "\ufeff"


@dataclass(frozen=True)
class UserConf:
    """The text of a ``user.conf`` and the value of each full key in it.

    Attributes
    ----------
    lines:
        The line of each key's value, if it came from a file.
    notes:
        Remarks on odd lines, one sentence each.
    """

    text: str
    values: Mapping[str, str]
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    def effective(self, model: str, scenario: str, key: str) -> str | None:
        """Return the value that LoadGen uses for ``key`` by its wildcard precedence, or None."""
        found = (self.values[one] for one in looked_up(model, scenario, key) if one in self.values)
        return next(found, None)

    def has_lines_for(self, scenario: str) -> bool:
        """Say whether a line applies to a scenario."""
        return any(key.rsplit(".", 2)[-2] in (scenario, "*") for key in self.values)

    def with_lines(self, comment: str, values: Mapping[str, str]) -> UserConf:
        """Return the configuration with further lines, which override earlier ones."""
        if not values:
            return self
        text = self.text if not self.text or self.text.endswith("\n") else self.text + "\n"
        text += f"# {comment}\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        return replace(self, text=text, values={**self.values, **values})


def looked_up(model: str, scenario: str, key: str) -> tuple[str, ...]:
    """Return the full keys under which LoadGen looks up a setting; the first match wins.

    Source: ``lookupkv`` in ``FromConfig``.
    """
    places = (f"{model}.{scenario}", f"*.{scenario}", f"{model}.*", "*.*")
    return tuple(f"{place}.{key}" for place in places)


def read_user_conf(path: Path) -> UserConf:
    """Read a ``user.conf``, ignoring a byte-order mark at the start of a line.

    Raises
    ------
    UserError
        The file cannot be read, is not UTF-8, or :func:`parse_user_conf` refuses it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}.", hint="Check --user-conf."
        ) from error
    encoding = _OTHER_MARKS.get(data[:2], "UTF-16" if b"\0" in data else "")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        encoding = encoding or "another encoding"
    if encoding:
        raise UserError(
            f"{path} cannot be read: it is {encoding}, and LoadGen reads UTF-8.",
            hint="Save it as UTF-8 text, or check --user-conf.",
        )
    plain = "\n".join(line.removeprefix(_MARK) for line in text.split("\n"))
    return parse_user_conf(plain, str(path))


def parse_user_conf(text: str, where: str) -> UserConf:
    """Parse a ``user.conf`` more strictly than LoadGen, which skips what it does not know.

    Raises
    ------
    UserError
        A line is not ``key = number``, a key is unknown or read only from LoadGen's embedded
        mlperf.conf, or LoadGen would truncate a value.
    """
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    notes: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = _WORD.findall(line)
        if not words or words[0] == "#" or _is_skipped_comment(words):
            continue
        if len(words) != 3 or words[1] != "=" or words[0].startswith("#"):
            raise UserError(
                f"{where}:{number}: {line.strip()!r} is not a LoadGen setting.",
                hint=_how_to_fix(words),
            )
        check_setting(words[0], words[2], f"{where}:{number}")
        if words[0] in lines and values[words[0]] != words[2]:
            notes.append(
                f"{where}:{lines[words[0]]}: {words[0]} has no effect: line {number} sets it again."
            )
        values[words[0]], lines[words[0]] = words[2], number
    return UserConf(text, values, lines, tuple(notes))


def _is_skipped_comment(words: list[str]) -> bool:
    """Say whether LoadGen treats ``#key = number`` as a key that it never looks up."""
    return words[0].startswith("#") and (
        len(words) == 1 or (words[1] == "=" and all(_DECIMAL.fullmatch(word) for word in words[2:]))
    )


def _how_to_fix(words: list[str]) -> str:
    if words[0].startswith("#"):
        return "LoadGen needs a space after the # of a comment."
    if len(words) > 3 and words[1] == "=" and words[3].startswith("#"):
        return "LoadGen allows a comment only on a line of its own."
    if "=" not in words and any("=" in word for word in words):
        return "LoadGen ignores the line without spaces around the =."
    return "A line reads `model.scenario.key = number`; a comment begins with # and a space."


def check_setting(full_key: str, value: str, where: str) -> None:
    """Raise :class:`UserError` unless LoadGen would read ``full_key = value`` exactly."""
    parts = full_key.rsplit(".", 2)
    if len(parts) != 3 or not parts[0] or parts[1] not in (*LOADGEN_SCENARIOS, _ANY):
        raise UserError(
            f"{where}: {full_key!r} is not model.scenario.key.",
            hint="For example `*.Offline.target_qps`; * stands for any model or scenario, and "
            f"scenarios are {', '.join(LOADGEN_SCENARIOS)}.",
        )
    _, scenario, key = parts
    if key in EMBEDDED_ONLY:
        raise UserError(
            f"{where}: LoadGen reads {key} only from its embedded mlperf.conf.",
            hint="The round's rules fix it; remove the line.",
        )
    if key not in KEYS:
        raise UserError(
            f"{where}: LoadGen has no setting {key!r}.", hint=f"Settings: {', '.join(KEYS)}."
        )
    # The command line uses seconds, this file milliseconds: name the unit.
    unit = KEYS[key] or "number"
    if not _DECIMAL.fullmatch(value) or float(value) == float("inf"):
        raise UserError(
            f"{where}: {key} must be a number of at least 0, not {value!r}.", hint=f"Unit: {unit}."
        )
    if key == _PERCENTILE and not 1 <= float(value) < 100:
        raise UserError(
            f"{where}: LoadGen reads {key} as percent: {value} is {value} %.",
            hint=f"Write {float(value) * 100:.10g} for {float(value) * 100:.10g} %."
            if 0 < float(value) < 1
            else "It is at least 1 and less than 100, such as 99.",
        )
    known = LOADGEN_SCENARIOS.get(scenario)
    # LoadGen reads the latency bound as a whole number, an expected latency with a fraction.
    is_bound = key == "target_latency" and (known is None or known.bounded)
    if key in _FRACTIONS_ALLOWED and not is_bound:
        return
    if not _WHOLE.fullmatch(value):
        raise UserError(
            f"{where}: LoadGen reads {key} as a whole number ({unit}); it would cut {value!r}.",
            hint="Give a whole number, without leading zeros.",
        )
    largest = _LARGEST_OF_KEY.get(key, _LARGEST.get(KEYS[key], 2**63 - 1))
    if int(value) > largest:
        raise UserError(
            f"{where}: {key} is too large for LoadGen.", hint=f"At most {largest} ({unit})."
        )
