"""The fixed bytes without which no credential can stand in a file.

Searching fixed bytes is fast and needs no module: a commit without any of them (nearly every
commit) is spared the regular expressions and their start-up time.
"""

from __future__ import annotations

_URL = "credentials in a URL"

# The keys are those of :data:`mlrepo.redaction.SECRET_PATTERNS`.
ANCHORS: dict[str, tuple[bytes, ...]] = {
    "GitHub token": (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
    "GitLab token": (b"glpat-",),
    "AWS access key": (b"AKIA", b"ASIA"),
    "Slack token": (b"xox",),
    "Google API key": (b"AIza",),
    "Hugging Face token": (b"hf_",),
    "PyPI token": (b"pypi-",),
    "OpenAI key": (b"sk-",),
    "JSON web token": (b"eyJ",),
    "private key": (b"PRIVATE KEY-----",),
    _URL: (b"://",),
    "authorization header": (b"uthorization", b"UTHORIZATION"),
}


def possible_kinds(data: bytes) -> list[str]:
    """Return the kinds of credentials whose patterns are worth trying on ``data``."""
    kinds = [kind for kind, anchors in ANCHORS.items() if any(a in data for a in anchors)]
    if _URL in kinds and not _names_a_user(data):
        kinds.remove(_URL)
    return kinds


def _names_a_user(data: bytes) -> bool:
    """Say whether an "@" may stand in the authority of a URL: before its first slash."""
    return any(b"@" in rest.partition(b"/")[0] for rest in data.split(b"://")[1:])
