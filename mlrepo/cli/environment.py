"""The environment variables that mlrepo reads, besides those of settings and of CK."""

from __future__ import annotations

from collections.abc import Iterator

VARIABLES: tuple[tuple[str, str], ...] = (
    ("MLREPO_HOME", "the directory of models, data sets and compiled models of this user"),
    ("XDG_DATA_HOME", "without MLREPO_HOME: its parent directory; else ~/.local/share"),
    ("MLREPO_PASSPHRASE", "`mlrepo pack --encrypt`: the passphrase, if there is no terminal"),
    ("GH_TOKEN, GITHUB_TOKEN", "`mlrepo submit`: the token for GitHub"),
    ("GH_ENTERPRISE_TOKEN, GITHUB_ENTERPRISE_TOKEN", "the same, for a GitHub Enterprise server"),
    ("GH_HOST", "`mlrepo submit`: the GitHub Enterprise server to which those tokens belong"),
    ("GIT_PAGER, PAGER", "the pager of long output, after Git's setting core.pager"),
    (
        "MLREPO_ENDPOINT_TOKEN",
        "backend openai: the token for --endpoint, sent nowhere else",
    ),
    (
        "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY",
        "backend openai: the proxy to an endpoint on another machine; also in lower case",
    ),
    ("NO_COLOR", "if set, nothing is coloured"),
    ("GITHUB_ACTIONS", "if `true`, --gate annotates the commit in GitHub Actions"),
    ("COLUMNS", "the width of tables, instead of the terminal's"),
    ("SLURM_CPUS_ON_NODE, SLURM_MEM_PER_NODE", "in a Slurm job: the CPUs and memory that it has"),
    ("SLURMD_NODENAME, SLURM_JOB_ID", "in a job of `--on slurm`: which node and job it is"),
    ("SLURM_CONF", "as Slurm's programs read it: the configuration of the cluster"),
    ("GIT_*, SSH_*", "as Git and SSH read them: identity, configuration, authentication"),
    ("OMP_*, MKL_*, CUDA_VISIBLE_DEVICES, …", "read by frameworks; recorded with each run"),
    ("_MLREPO_COMPLETE", "set by the scripts that complete commands"),
)


def all_variables() -> Iterator[tuple[str, str]]:
    """Yield every variable that does anything, or a group of them, with what it does."""
    from mlrepo.predecessor import VARIABLES as OF_CK
    from mlrepo.predecessor import Handling
    from mlrepo.settings import SETTINGS

    for setting in SETTINGS:
        for name in (setting.variable, *setting.legacy_variables):
            yield name, f"the setting {setting.key}: {setting.summary}"
    for word in OF_CK:
        if word.treatment is Handling.TAKEN:
            yield word.there, f"`mlrepo bench`: as {word.here}"
    yield from VARIABLES
