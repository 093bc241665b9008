"""Traits: what a round does differently from others, if no table of its checker says it.

A trait is a named value in the ``traits`` of a round's data file. Each is one line of
:class:`Traits`: its default, its type and its meaning; it is an attribute of
:class:`~mlrepo.rounds.Round`. A round whose file lacks the key has the default: what most rounds
do, or what the newest does.

To add one: a line here, and its value in ``data/vX.json`` of the rounds that differ from its
default. ``mlrepo round import`` writes the traits of the previous round; ``mlrepo round show``
prints them with their meaning. No other code asks which round it is: modules outside of the classes
that replay an official checker compare no versions (``tests/unit/test_traits.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, overload

if TYPE_CHECKING:
    from mlrepo.rounds.tables import RoundTables


T = TypeVar("T")
KEY: Final = "traits"
CLASSIC, MODULAR = "classic", "modular"


class Trait(Generic[T]):
    """One trait: an attribute of a round that is read from its data file.

    Attributes
    ----------
    name:
        The key in the data file, and the attribute.
    default:
        The value of a round whose data file lacks the key, as in a data file.
    read:
        Converts from JSON; raises :class:`ValueError` with what was expected instead.
    meaning:
        What it means, for users.
    """

    name: str

    def __init__(self, default: object, read: Callable[[object], T], meaning: str) -> None:
        self.default, self.read, self.meaning = default, read, meaning

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Traits, owner: type) -> T: ...
    def __get__(self, instance: Traits | None, owner: type) -> Self | T:
        if instance is None:
            return self
        value = self.read(self.value_in(instance.tables))
        instance.__dict__[self.name] = value  # next time it is found before this descriptor
        return value

    def value_in(self, tables: RoundTables) -> object:
        """Return the value in a data file, as JSON; the default if it has none."""
        return tables.get(KEY, {}).get(self.name, self.default)


def flag(value: object) -> bool:
    """Read a trait that is true or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def text(value: object) -> str:
    """Read a trait that is a text."""
    if not isinstance(value, str):
        raise ValueError("a string")
    return value


def word_of(*words: str) -> Callable[[object], str]:
    """Return a reader of a trait that is one of some words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return value

    return read


def texts(value: object) -> tuple[str, ...]:
    """Read a trait that is a list of texts."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError("a list of strings")
    return tuple(value)


def numbers(value: object) -> tuple[int, ...]:
    """Read a trait that is a list of whole numbers."""
    if not isinstance(value, list) or not all(type(each) is int for each in value):
        raise ValueError("a list of whole numbers")
    return tuple(value)


def numbers_by_name(value: object) -> Mapping[str, int]:
    """Read a trait that is an object with a whole number for each name."""
    if not isinstance(value, dict) or not all(type(each) is int for each in value.values()):
        raise ValueError("an object with whole numbers")
    return dict(value)


def lists_of_texts(value: object) -> tuple[tuple[str, ...], ...]:
    """Read a trait that is a list of lists of texts."""
    if not isinstance(value, list):
        raise ValueError("a list of lists of strings")
    return tuple(texts(each) for each in value)


def pairs_of_texts(value: object) -> tuple[tuple[str, str], ...]:
    """Read a trait that is a list of pairs of texts."""
    found = lists_of_texts(value)
    if any(len(each) != 2 for each in found):
        raise ValueError("a list of pairs of strings")
    return tuple((first, second) for first, second in found)


def texts_by_name(value: object) -> Mapping[str, tuple[str, ...]]:
    """Read a trait that is an object with a list of texts for each name; order matters."""
    if not isinstance(value, dict):
        raise ValueError("an object with lists of strings")
    return {name: texts(each) for name, each in value.items()}


class Traits:
    """The traits of a round; the base of :class:`~mlrepo.rounds.Round`."""

    tables: RoundTables

    checker = Trait(
        MODULAR,
        word_of(CLASSIC, MODULAR),
        "which official program judges: classic (one file) or modular (a package)",
    )
    binding_compliance = Trait(
        True, flag, "every compliance test must pass, and its run is judged as a performance run"
    )
    test05_may_be_faster = Trait(
        True, flag, "TEST05 fails only if it is slower than the performance run"
    )
    test05_config_seeds = Trait(
        {
            "qsl_rng_seed": 313588358309856706,
            "sample_index_rng_seed": 471397156132239067,
            "schedule_rng_seed": 413914573387865862,
        },
        numbers_by_name,
        "the seeds in TEST05's audit.config, if the checker has no table of them",
    )
    one_of = Trait(
        [["Server", "Interactive"]],
        lists_of_texts,
        "scenarios of which a benchmark that allows all of them has at least one",
    )
    inferred_from = Trait(
        {"Offline": ["MultiStream", "SingleStream"], "MultiStream": ["SingleStream"]},
        texts_by_name,
        "from which scenarios' runs a scenario's result may be inferred, the best first",
    )
    inference_category = Trait(
        "edge", text, "the category of the systems whose results may be inferred; empty for all"
    )
    guessed_benchmarks = Trait(
        [
            ["mobilenet", "mobilenet"],
            ["efficientnet", "resnet"],
            ["resnet50", "resnet"],
            ["bert-99.9", "bert-99.9"],
            ["bert-99", "bert-99"],
        ],
        pairs_of_texts,
        "text in a directory's name, with the benchmark that the checker infers from it",
    )
    has_model_mapping = Trait(
        True, flag, "the open division names its models' benchmarks in model_mapping.json"
    )
    plain_names = Trait(
        True, flag, "a name with a space, a leading dot or __pycache__ rejects the whole submission"
    )
    calibration_document = Trait(
        "documentation/calibration.md", text, "where a submitter's calibration document is expected"
    )
    is_network_by_truth = Trait(
        True, flag, 'any string in is_network requires the network fields, even "false"'
    )
    division_in_any_case = Trait(
        True, flag, "the division in a system description may differ in case from the path's"
    )
    further_availabilities = Trait(
        [], texts, "values of status that the checker accepts beyond its table of availabilities"
    )
    truncates_logs = Trait(
        True, flag, "accuracy logs are truncated, and accuracy.txt has the hash of the full one"
    )
    takes_every_accuracy = Trait(
        True, flag, "each line of accuracy.txt with a metric counts, not only the last one"
    )
    asks_for_a_metric_in_open = Trait(
        True, flag, "an open result, too, must give an accuracy in its benchmark's metric"
    )
    prints_all_metrics = Trait(
        True, flag, "the summary gives all metrics by name, not only the value of the first"
    )
    ends_at_a_bad_accuracy = Trait(
        True, flag, "the checker skips a result whose accuracy run has no accuracy.txt"
    )
    trusts_the_error_count = Trait(
        True, flag, "num_errors in a performance log decides, whatever its lines say"
    )
    names_all_files = Trait(False, flag, "a run's directory may contain only the listed files")
    asks_for_images_in_open = Trait(
        True, flag, "the images or videos of an accuracy run are required in open, too"
    )
    accuracy_sample_counts = Trait(
        ["effective_accuracy_sample_count", "qsl_reported_total_count"],
        texts,
        "the keys of a detail log that count the samples of an accuracy run, the best first",
    )
    counts_samples_by_directory = Trait(
        True, flag, "how many samples an accuracy run needs is looked up by its directory's name"
    )
    samples_of_3d_unet = Trait(
        [42, 43], numbers, "how many samples the data set of 3D U-Net may have"
    )
    limits_tokens_by_log = Trait(
        True, flag, "token latencies must meet the limits of the scenario that the log names"
    )
    token_limited_scenarios = Trait(
        ["Server", "Interactive"], texts, "the scenarios in which token latencies are limited"
    )
    offline_samples_by_benchmark = Trait(
        True, flag, "the samples of an Offline query are set per benchmark, without a default"
    )
    infers_every_offline = Trait(
        False, flag, "an Offline result with another log is always computed like SingleStream"
    )
    reads_equal_issue_of_configuration = Trait(
        False, flag, "mlperf.conf and user.conf say whether samples are issued equally often"
    )
    power_of_samples_only = Trait(
        True, flag, "power is the mean of the samples, not of every line with a number of watts"
    )
    power_is_positive = Trait(True, flag, "samples of 0 W or less are left out of the mean")
    power_clocks_have_zones = Trait(
        False, flag, "the clocks of a power measurement are in the time zones that its files name"
    )
    energy_of_logged_queries = Trait(
        True, flag, "energy per query is computed with the log's query count, not its rate"
    )
    ends_at_an_issue = Trait(
        True, flag, "the checker skips a result whose measurements have an issue, as one error"
    )
    describes_power_analyzers = Trait(
        False, flag, "the measurements of a power result describe its analyzer in files"
    )
    takes_any_field = Trait(
        True, flag, "the checker accepts fields of a system description that are not strings"
    )


TRAITS: Mapping[str, Trait[Any]] = {
    name: each for name, each in vars(Traits).items() if isinstance(each, Trait)
}


def misread_trait(traits: object) -> str:
    """Return what is wrong with the traits of a data file, or ''.

    An unknown trait is an error: a rule that this mlrepo does not know must not go unnoticed.
    """
    if not isinstance(traits, dict):
        return f"{KEY} is not an object"
    for name, value in traits.items():
        if name not in TRAITS:
            return f"the trait {name!r} is not one of {', '.join(TRAITS)}"
        try:
            TRAITS[name].read(value)
        except ValueError as error:
            return f"the trait {name} is not {error}"
    return ""
