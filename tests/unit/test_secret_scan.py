"""What refuses a commit as a secret, and what does not."""

from __future__ import annotations

import pytest

from mlrepo.redaction import SECRET_PATTERNS
from mlrepo.secret_anchors import ANCHORS, possible_kinds
from mlrepo.secret_scan import Secret, find_secrets

# Kind: a true sample, and one that looks alike. Written in halves, so that no scanner of this
# project's own history takes them for real.
SAMPLES = {
    "GitHub token": ("ghp_" + "a1B2" * 9, "ghp_short"),
    "GitLab token": ("glpat-" + "a1B2c3" * 4, "glpat-short"),
    "AWS access key": ("AKIA" + "ABCDEFGH12345678", "AKIAabcdefgh12345678"),
    "Slack token": ("xoxb-" + "1234567890ab", "xoxb-123"),
    "Google API key": ("AIza" + "b" * 35, "AIza" + "b" * 20),
    "Hugging Face token": ("hf_" + "Ab3" * 11, "hf_transformers"),
    "PyPI token": ("pypi-" + "Ag1" * 20, "pypi-package"),
    "OpenAI key": ("sk-" + "proj1" * 5, "sk-container-of-the-estimator"),
    "JSON web token": ("eyJ" + "hbGciOiJI.eyJ" + "zdWIiOiIx.c2lnbmF0", "eyJhbGciOiJI"),
    "private key": (
        "-----BEGIN " + "PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
        "-----BEGIN PUBLIC KEY-----",
    ),
    "credentials in a URL": ("https://ada:" + "hunter22@example.org", "https://u:$PASS@a.org"),
    "authorization header": ("Authorization: Bearer " + "abc123def456", "Authorization: $TOKEN"),
}


def test_every_pattern_has_an_anchor_and_samples() -> None:
    """No pattern of the redactor is left out of the scan, or out of this test."""
    assert set(ANCHORS) == set(SECRET_PATTERNS) == set(SAMPLES)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_true_sample_is_found_and_its_double_is_not(kind: str) -> None:
    """The kind and the line are told; a placeholder or a short look-alike is let through."""
    true, false = SAMPLES[kind]
    found = find_secrets(f"first line\nx = {true}\n".encode())
    assert Secret(kind, 2) in found
    assert find_secrets(f"first line\nx = {false}\n".encode()) == []


def test_a_line_can_be_allowed() -> None:
    """The mark holds for its own line only."""
    token = SAMPLES["GitHub token"][0]
    text = f"{token}  # mlrepo:allow-secret\n{token}\n"
    assert find_secrets(text.encode()) == [Secret("GitHub token", 2)]


def test_any_bytes_can_be_scanned() -> None:
    """Binary data around a token neither crashes nor hides it."""
    token = SAMPLES["AWS access key"][0].encode()
    assert find_secrets(b"\xff\x00\n" + token + b"\x00\xfe") == [Secret("AWS access key", 2)]


def test_a_plain_link_is_not_searched_for_a_password() -> None:
    """Texts are full of URLs; only one that may name a user is worth the pattern."""
    assert possible_kinds(b"see https://example.org/a@b and http://[::1]/ for more") == []
    assert possible_kinds(b"https://ada:x@example.org/") == ["credentials in a URL"]
