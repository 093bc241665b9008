"""What refuses a commit as a secret, and what does not."""

from __future__ import annotations

import base64
import json
import random
import string

import pytest

from mlrepo.redaction import Redactor
from mlrepo.secret_anchors import KINDS, TOKENS, WORDLIKE_TOKENS, possible_kinds
from mlrepo.secret_patterns import SECRET_PATTERNS
from mlrepo.secret_scan import Secret, find_secrets, without_secrets
from tests.growth import growth

# Kind: a true sample, and one that looks alike. Written in halves, so that no scanner of this
# project's own history takes them for real.
CONTEXTS = {
    "JSON web token": ("eyJ" + "hbGciOiJI.eyJ" + "zdWIiOiIx.c2lnbmF0", "eyJhbGciOiJI"),
    "private key": (
        "-----BEGIN " + "PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
        "-----BEGIN PUBLIC KEY-----",
    ),
    "credentials in a URL": ("https://ada:" + "hunter22@example.org", "https://u:$PASS@a.org"),
    "authorization header": ("Authorization: Bearer " + "abc123def456", "Authorization: $TOKEN"),
    "Azure key": ("AccountKey=" + "aB3/" * 21 + "aB==", "AccountKey=<your key>"),
    "registry login": (
        '{"auth": "' + base64.b64encode(b"ada:hunter22").decode() + '"}',
        '{"auth": "none", "x": "oauth2"}',
    ),
    "login in .netrc": ("machine example.org login ada password hunter22", "the password is lost"),
    "AWS secret key": (
        "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY",
        "aws_secret_access_key = os.environ['AWS_SECRET_ACCESS_KEY']",
    ),
    "Kaggle key": (
        '{"username":"ada","key":"' + "0123456789abcdef" * 2 + '"}',
        '{"username": "ada", "key": "value"}',
    ),
    "Weights & Biases key": ("WANDB_API_KEY=" + "0123456789" * 4, "WANDB_API_KEY=$KEY"),
    "webhook": (
        "https://hooks.slack.com/services/" + "T0000000/B0000000/abcdefABCDEF",
        "https://hooks.slack.com/services/…",
    ),
    "Telegram token": ("123456789:AA" + "b-C_3" * 7, "12:AAAA"),
}
MORE = [
    ("private key", "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----\n\nlQOY\n-----END"),
    ("private key", "-----BEGIN OPENSSH " + "PRIVATE KEY-----\\nb3Blbn"),
    ("private key", "PuTTY-User-Key-File-3: " + "ssh-ed25519\nPrivate-MAC: 12"),
    ("Azure key", "abC8Q~" + "aB3-_" * 7),
    ("Azure key", "https://a.blob.core.windows.net/c?sv=2022&sig=" + "aB3%2F" * 8 + "%3D"),
    ("registry login", "//registry.npmjs.org/:_authToken=" + "0a1b2c3d-4e5f-6071-8293"),
    ("webhook", "https://discord.com/api/webhooks/123456789012345678/" + "aB3-_" * 12),
]
_LOOKALIKES = [
    "ghp_short",
    "glpat-short",
    "AKIAabcdefgh12345678",
    "xoxb-123",
    "AIza" + "b" * 20,
    "pypi-package",
    "hf_transformers",
    "sk-container-of-the-estimator",
    "disk-usage-of-machine-12345678901234567",
    "task_test_1234567890abcdefgh",
    "0123SK0123456789abcdef0123456789abcdef",
    "npm_config_registry_of_this_machine_and_others",
    "monkey-0123456789abcdef0123456789abcdef",
    "DISKAKIAABCDEFGH12345678",
    "ASIAQKC3VSFJE7ZW472ZOAXX2T7JTCLZBN5BYEOAE7E67F5Z",
]


def _token(prefix: str, characters: str, shortest: int) -> str:
    """Return a token of nobody, of the characters that its issuer uses."""
    letters = "".join(
        chain
        for part, chain in (
            ("A-Z", string.ascii_uppercase),
            ("a-z", string.ascii_lowercase),
            ("0-9", "0123456789"),
            ("a-f", "abcdef"),
        )
        if part in characters
    )
    chosen = random.Random(prefix)
    return prefix + "7" + "".join(chosen.choice(letters) for _ in range(shortest - 1))


TRUE = [
    (kind, _token(prefix, characters, shortest))
    for kind, prefixes, characters, shortest in TOKENS + WORDLIKE_TOKENS
    for prefix in prefixes.split()
]
_BEFORE = {
    "start": "",
    "space": "x ",
    "quote": '"',
    "newline in JSON": "first\\n",
    "tab in JSON": "a\\t",
    "colour": "\x1b[31m",
    "two colours": "\x1b[1;32m",
    "colour in JSON": "\\u001b[0m",
    "colour in Python": "\\x1b[38;5;202m",
    "cleared line": "\x1b[2K",
    "underscore": "my_",
    "equals": "x=",
    "percent": "a%0A",
    "quoted-printable": "a=0A",
    "bracket": "(",
    "dash": "a-",
}
_ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be")


def test_every_kind_has_patterns_and_samples() -> None:
    """No pattern of the redactor is left out of the scan, or out of this test."""
    assert set(KINDS) == set(SECRET_PATTERNS) == {kind for kind, _ in TRUE} | set(CONTEXTS)


@pytest.mark.parametrize(("kind", "token"), TRUE, ids=[token[:12] for _, token in TRUE])
def test_a_token_is_found_and_masked_behind_whatever(kind: str, token: str) -> None:
    """What may not be part of a token ends the word before it: an escape, a colour, "_"."""
    for name, before in _BEFORE.items():
        text = f"line\n{before}{token}\n"
        assert Secret(kind, 2) in find_secrets(text.encode()), name
        masked, _ = Redactor().text(text)
        assert token not in masked, name
        assert "<redacted>" in masked
    text = json.dumps({"said": f"\x1b[31m{token}\x1b[0m and\n{token}"})
    assert token not in Redactor().text(text)[0]


@pytest.mark.parametrize("encoding", _ENCODINGS)
@pytest.mark.parametrize("kind", ["GitHub token", "AWS access key", *CONTEXTS])
def test_a_credential_is_found_in_any_encoding(kind: str, encoding: str) -> None:
    """PowerShell writes UTF-16; a mark or none, the line is told, and it can be masked."""
    sample = CONTEXTS[kind][0] if kind in CONTEXTS else dict(TRUE)[kind]
    data = f"first line ü\nx = {sample}\n".encode(encoding)
    assert Secret(kind, 2) in find_secrets(data)
    masked, counts = without_secrets(data)
    assert find_secrets(masked) == []
    assert counts[kind] == 1
    assert Secret(kind, 3) in find_secrets("äöü\n".encode() + data), "appended to another encoding"


@pytest.mark.parametrize("kind", CONTEXTS)
def test_a_true_sample_is_found_and_its_double_is_not(kind: str) -> None:
    """The kind and the line are told; a placeholder or a short look-alike is let through."""
    true, false = CONTEXTS[kind]
    found = find_secrets(f"first line\nx = {true}\n".encode())
    assert Secret(kind, 2) in found
    assert find_secrets(f"first line\nx = {false}\n".encode()) == []


@pytest.mark.parametrize(("kind", "text"), MORE)
def test_the_same_kind_has_other_forms(kind: str, text: str) -> None:
    """Keys of PGP and PuTTY, of Azure's directory and its signatures, tokens in .npmrc."""
    assert find_secrets(text.encode()) == [Secret(kind, 1)]


@pytest.mark.parametrize("text", _LOOKALIKES)
def test_words_that_look_alike_are_none(text: str) -> None:
    """Names of packages, functions and files, and digests."""
    assert find_secrets(text.encode()) == []


def test_a_colour_within_a_token_hides_nothing() -> None:
    """As `grep --color` marks what was searched for, and newer terminals write colours."""
    token = _token("ghp_", "A-Za-z0-9", 36)
    for cut in (4, 20):
        text = f"\x1b[01;31m\x1b[K{token[:cut]}\x1b[m\x1b[K{token[cut:]}\n".encode()
        assert find_secrets(text) == [Secret("GitHub token", 1)]
        assert without_secrets(text) == (b"<redacted>\n", {"GitHub token": 1})
    wordlike = _token("hf_", "A-Za-z0-9", 34)
    for before in ("\x1b[38:5:120m", "\x1b(B", "\x1b[38:2::10:20:30m"):
        assert find_secrets(f"{before}{wordlike}".encode()) == [Secret("Hugging Face token", 1)]


def test_every_reading_of_a_file_is_masked() -> None:
    """A plain token, one appended in UTF-16, and one with a colour in it."""
    tokens = [_token("ghp_", "A-Za-z0-9", 36) for _ in range(3)]
    coloured = f"{tokens[2][:9]}\x1b[1m{tokens[2][9:]}"
    data = f"{tokens[0]}\n".encode() + f"{tokens[1]}\n".encode("utf-16-le") + coloured.encode()
    masked, counts = without_secrets(data)
    assert masked == b"<redacted>\n" * 2 + b"<redacted>"
    assert counts == {"GitHub token": 3}


def test_a_line_can_be_allowed() -> None:
    """The mark lets its own line through, and no other."""
    token = dict(TRUE)["GitHub token"]
    text = f"a = {token}  # mlrepo:allow-secret\nb = {token}\n"
    assert find_secrets(text.encode()) == [Secret("GitHub token", 2)]
    masked, counts = without_secrets(text.encode())
    assert masked.decode() == f"a = {token}  # mlrepo:allow-secret\nb = <redacted>\n"
    assert counts == {"GitHub token": 1}


def test_any_bytes_can_be_scanned() -> None:
    """Binary data around a token neither crashes nor hides it."""
    token = dict(TRUE)["AWS access key"].encode()
    assert find_secrets(b"\xff\x00\n" + token + b"\x00\xfe") == [Secret("AWS access key", 2)]


def test_data_without_a_secret_come_back_as_they_are() -> None:
    """Also UTF-16: nothing is rewritten that need not be."""
    data = "nothing ghp_ here".encode("utf-16")
    assert without_secrets(data) == (data, {})


def test_a_plain_link_is_not_searched_for_a_password() -> None:
    """Texts are full of URLs; only one that may name a user is worth the pattern."""
    assert possible_kinds(b"see https://example.org/a@b and http://[::1]/ for more") == []
    assert possible_kinds(b"https://ada:x@example.org/") == ["credentials in a URL"]


_PIECES = [
    "eyJ-",
    "_eyJ",
    "eyJaaaaaaaa.",
    "-----BEGIN ",
    "-----BEGIN A PRIVATE KEY-----",
    "://a",
    "SG.",
    "sk-",
    "\\nsk-",
    "[0mkey-",
    "machine a ",
    "authorization:",
    '"auth":',
    '"username":"a",',
    "xoxb-",
    "1234567890:AA",
    "sig=",
    "AKIA",
    "cookie:",
    "a@://",
    "Authorization: Bearer ",
]


@pytest.mark.parametrize("piece", _PIECES)
@pytest.mark.long
def test_the_scan_takes_time_linear_in_the_text(piece: str) -> None:
    """Also where one beginning follows the other, and where each end is missing."""
    assert growth(lambda size: find_secrets(piece.encode() * size), 4_000) < 9
    assert growth(lambda size: Redactor().text(piece * size), 4_000) < 9
