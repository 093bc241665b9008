"""Settings resolve in a fixed order, and each value has its origin."""

from __future__ import annotations

import pytest

from mlrepo.errors import UserError
from mlrepo.settings import SETTINGS, Resolved, Resolver, setting_named

_ALL = {
    "MLREPO_DIVISION": "open",
    "CK_MLPERF_INFERENCE_DIVISION": "network",
}


def test_a_flag_wins_over_the_environment_and_that_over_the_file() -> None:
    """Flag, MLREPO_*, CK_MLPERF_INFERENCE_*, mlrepo.toml: each counts if those before are unset."""
    file = {"division": "closed"}
    assert Resolver(_ALL, file).find("division", "closed") == Resolved("closed", "--division")
    assert Resolver(_ALL, file).find("division") == Resolved("open", "MLREPO_DIVISION")
    legacy = {"CK_MLPERF_INFERENCE_DIVISION": "network"}
    assert Resolver(legacy, file).find("division") == Resolved(
        "network", "CK_MLPERF_INFERENCE_DIVISION"
    )
    assert Resolver({}, file).find("division") == Resolved("closed", "mlrepo.toml")
    assert Resolver({}, {}).find("division") is None
    assert Resolver({}, {}).find("round") == Resolved("v6.1", "default")


def test_an_empty_value_is_unset() -> None:
    """``MLREPO_ROUND= mlrepo …`` means what it means to a shell script: not given."""
    resolver = Resolver({"MLREPO_ROUND": "", "CK_MLPERF_INFERENCE_VERSION": " "}, {"round": "v5.1"})
    assert resolver.find("round", "") == Resolved("v5.1", "mlrepo.toml")


@pytest.mark.parametrize(
    ("key", "given", "canonical"),
    [
        ("round", "6.1", "v6.1"),
        ("round", "V5.0", "v5.0"),
        ("division", "CLOSED", "closed"),
        ("category", "edge, datacenter", "datacenter,edge"),
        ("category", "Datacenter,Edge", "datacenter,edge"),
        ("submitter", " Acme Inc ", "Acme Inc"),
        ("official.visibility", "PRIVATE", "private"),
        ("embargo", "2027-04-01", "2027-04-01"),
    ],
)
def test_values_get_their_canonical_spelling(key: str, given: str, canonical: str) -> None:
    """Old scripts and people write values in several ways; one is stored."""
    assert Resolver({}, {key: given}).require(key).value == canonical


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("round", "six"),
        ("round", "v6"),
        ("round", "v6.1.2"),
        ("round", "v\u0666.\u0661"),
        ("division", "ajar"),
        ("category", "edge,edge"),
        ("category", "edge,"),
        ("submitter", "../Acme"),
        ("submitter", "A/B"),
        ("submitter", "-x"),
        ("system", "a\nb"),
        ("system", ".git"),
        ("official.visibility", "secret"),
        ("embargo", "tomorrow"),
        ("embargo", "2027-02-30"),
    ],
)
def test_a_wrong_value_is_refused_with_its_origin(key: str, given: str) -> None:
    """The message holds the value, the key and where the value came from."""
    with pytest.raises(UserError) as refused:
        Resolver({setting_named(key).variable: given}, {}).find(key)
    assert repr(given) in refused.value.message
    assert setting_named(key).variable in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.default is None], ids=lambda s: s.key)
def test_an_unset_value_names_every_way_to_set_it(setting: object) -> None:
    """Flag, both variables and the command are in the hint."""
    found = setting_named(str(getattr(setting, "key")))  # noqa: B009
    with pytest.raises(UserError, match=f"{found.key} is not set") as unset:
        Resolver({}, {}).require(found.key)
    hint = unset.value.hint
    command = found.set_with or f"config set {found.key} VALUE"
    for way in (found.flag, found.variable, *found.legacy_variables, command):
        assert way in hint


def test_an_unknown_key_names_the_known_ones() -> None:
    """A typing mistake is answered with the list of settings."""
    with pytest.raises(UserError, match="no setting 'rounds'") as unknown:
        setting_named("rounds")
    for setting in SETTINGS:
        assert setting.key in unknown.value.hint


def test_each_setting_has_one_variable_and_says_what_it_is() -> None:
    """Variables are not shared, and defaults are valid values."""
    variables = [setting.variable for setting in SETTINGS]
    variables += [name for setting in SETTINGS for name in setting.legacy_variables]
    assert len(set(variables)) == len(variables)
    assert setting_named("official.branch").variable == "MLREPO_OFFICIAL_BRANCH"
    for setting in SETTINGS:
        assert setting.summary
        if setting.default is not None:
            assert setting.check(setting.default, "default") == setting.default


def test_a_clone_has_its_own_system() -> None:
    """It wins over the file, which all clones share, and is asked for nothing else."""
    asked = []

    def clone(key: str) -> str:
        asked.append(key)
        return "mine"

    resolver = Resolver({}, {"system": "ours", "submitter": "Acme"}, clone)
    assert resolver.find("system") == Resolved("mine", "git config mlrepo.system")
    assert resolver.find("system", "flag") == Resolved("flag", "--system")
    assert resolver.find("submitter") == Resolved("Acme", "mlrepo.toml")
    assert set(asked) == {"mlrepo.system"}
    environ = {"MLREPO_SYSTEM": "env"}
    assert Resolver(environ, {}, clone).find("system") == Resolved("env", "MLREPO_SYSTEM")
    assert Resolver({}, {"system": "ours"}).find("system") == Resolved("ours", "mlrepo.toml")


@pytest.mark.parametrize("key", ["mlperf_inference_version", "mlperf_submitter"])
def test_a_variable_of_ck_s_kernel_is_answered_with_the_setting(key: str) -> None:
    """And the command that sets it."""
    with pytest.raises(UserError) as unknown:
        setting_named(key)
    here = "round" if key.endswith("version") else "submitter"
    assert f"`mlrepo config set {here} VALUE`" in unknown.value.hint


def test_ck_s_submission_program_s_variable_sets_the_submitter() -> None:
    """CK has two names for it; the one of the benchmark wins, as it is the more specific."""
    both = {"CK_MLPERF_SUBMITTER": "Two", "CK_MLPERF_INFERENCE_SUBMITTER": "One"}
    assert Resolver(both, {}).find("submitter") == Resolved("One", "CK_MLPERF_INFERENCE_SUBMITTER")
    both.pop("CK_MLPERF_INFERENCE_SUBMITTER")
    assert Resolver(both, {}).find("submitter") == Resolved("Two", "CK_MLPERF_SUBMITTER")
