"""No secret and no personal name gets into what is recorded."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlrepo import redaction
from mlrepo.redaction import (
    Redactor,
    decoded,
    recorded_environment,
    secret_values,
    shown_url,
)
from tests.growth import growth

# For each pattern: texts with a secret in "«»", which must go, and texts that must stay.
_SAMPLES: dict[str, tuple[list[str], list[str]]] = {
    "GitHub token": (
        [f"«ghp_{'a1B2' * 9}»", f"x «github_pat_{'A1b2_' * 8}» y", f"«ghs_{'0' * 36}»"],
        ["ghp_short", "github_pat_", "ghx_" + "a" * 40],
    ),
    "GitLab token": ([f"«glpat-{'aB3_-' * 4}»"], ["glpat-short"]),
    "AWS access key": (["«AKIAIOSFODNN7EXAMPLE»", "«ASIAIOSFODNN7EXAMPLE»"], ["AKIAiosfodnn7"]),
    "Slack token": (["«xoxb-1234567890-abc»"], ["xoxo-hugs-and-kisses", "xoxb-1"]),
    "Google API key": ([f"«AIza{'Sy0_-' * 7}»"], ["AIzawa", "AIza" + "a" * 10]),
    "Hugging Face token": ([f"«hf_{'aB3' * 11}»"], ["hf_hub_download", "hf_" + "a" * 20]),
    "PyPI token": ([f"«pypi-AgEIcHlwaS5vcmc{'aB3_-' * 8}»"], ["pypi-server-2.0"]),
    "OpenAI key": ([f"«sk-{'aB3_-' * 5}»"], ["sk-learn", "disk-usage-of-the-whole-machine"]),
    "JSON web token": (
        ["«eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN»"],
        ["eyJhbGciOiJIUzI1NiJ9", "a.b.c"],
    ),
    "private key": (
        [
            "«-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\naC1rZXk=\n"
            "-----END OPENSSH PRIVATE KEY-----»",
            "«-----BEGIN PRIVATE KEY-----\ncut off here»",
        ],
        ["-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"],
    ),
    "credentials in a URL": (
        [
            "https://«user:hunter2»@example.org/simple",
            "https://«token»@example.org",
            "redis://«:hunter2»@example.org:6379/0",
            "http://«user:p@ss:w»@proxy:3128",
            "git+https://«oauth2:abc»@example.org/x.git",
        ],
        [
            "https://example.org/path/user@2x.png",
            "https://example.org?mail=a@b.org",
            "ssh://git@example.org/x.git",
            "mail a@b.org",
            "http://[::1]:8080/",
        ],
    ),
    "authorization header": (
        [
            "Authorization: Bearer «abc.def»",
            "authorization:«abc»",
            '{"Authorization": "Basic «dXNlcjpwYXNz»", "Accept": "*/*"}',
            "{'Authorization': 'token «abc»'}",
            "Proxy-Authorization: Basic «dXNlcg==»",
        ],
        ["authorization failed", "needs authorization"],
    ),
}
_ASSIGNMENTS = [
    "TOKEN=«abc123»",
    "export HF_TOKEN=«abc»; run",
    "KAGGLE_KEY=«0123456789abcdef»",
    "AWS_SECRET_ACCESS_KEY=«wJalr/XUtn+FEMI»",
    "my-api-key: «abc»",
    "apikey = «abc»",
    "db_password='«two words»'",
    'PASSWORD="«it\'s me»"',
    '{"password": "«hunter2»", "user": "ada"}',
    '{"password":"«hunt\\"er2»","user":"ada"}',
    "{'client_secret': '«abc»'}",
    '"{\\"token\\": \\"«abc»\\", \\"n\\": 1}"',
    "Namespace(token='«abc»', batch=32)",
    "Namespace(api_key=«abc», batch=32)",
    "token=«abc»,batch=32",
    "PASSWORD=«hun,ter;2»",
    "PASSWORD=«a)b]c}d»",
    "passwd: «hunter2»",
    'credential="«abc»',
    "run --token «abc» --batch 32",
    "run --hf_token=«abc»",
    "run --hf-token «abc»",
    "run --api_key «abc»",
    "run --api-key '«a b»' x",
    "run --client-secret  «abc»",
    "private_key=«abc»",
    "passphrase: «open»",
    '"line one\\nsecret=«abc»\\nline three"',
    "DOCKER_AUTH=«abc»",
    "GH_PAT=«abc»",
    "mysql-pwd: «abc»",
    '{"registry_auth": "«abc»"}',
    "session_cookie=«abc»",
    '"usage:\\n--token «abc»"',
    "\x1b[1m--auth-token «abc»",
    "Set-Cookie: «id=1; theme=dark; session=abc»",
    "'Cookie': '«a=1; b=2»'",
    "https://example.org/x?private_token=«abc»",
]
_HARMLESS = [
    '{"tokenizers": "0.15.0", "tiktoken": "0.7"}',
    "max_new_tokens=128",
    "smollm2.Server.use_token_latencies = 1",
    '{"qsl_idx": 3, "token_data": "0a000000", "token_count": 12}',
    "token_latency_scaling_factor = 5, token_throughput: 4.5",
    "completed_tokens_per_second: 885.05",
    "tokenizer: bert-base-uncased",
    "--max-tokens 128 --tokenizer bert",
    "TOKENIZERS_PARALLELISM=false",
    '{"password": "", "token": null, "use_auth_token": false}',
    '{"note": "forgot the password:", "next": "value"}',
    '{"secrets": ["a"], "credentials": {"a": "b"}}',
    "monkey=1 turkey: 2",
    "cookies: 3 author=ada path=/x pattern: y",
    "use_auth=True",
    "--token --batch 32",
    "run.json: 885.05 samples/s VALID (p99 12.5 ms)",
    "a" * 200,
]
_KNOWN = Redactor(
    homes=("/home/ada", "/root/"),
    users=("ada",),
    hosts=("box.example.org", "box"),
    host_label="<alpha>",
    secrets=("s3cr3t-value-long", "s3cr3t-value"),
)


def _marked(text: str) -> tuple[str, str, str]:
    """Return the text, the text with its marked secret masked, and the secret."""
    before, _, rest = text.partition("«")
    secret, _, after = rest.partition("»")
    return before + secret + after, f"{before}<redacted>{after}", secret


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, (texts, _) in _SAMPLES.items() for text in texts]
)
def test_a_credential_is_masked_and_all_around_it_stays(kind: str, text: str) -> None:
    """Each pattern finds its true samples, masks exactly the secret, and counts it."""
    text, masked, _ = _marked(text)
    assert Redactor().text(text) == (masked, {kind: 1})


@pytest.mark.parametrize(
    "text", [text for _, texts in _SAMPLES.values() for text in texts] + _HARMLESS
)
def test_what_only_looks_like_a_credential_stays(text: str) -> None:
    """The false samples of each pattern, and the words of benchmarks, are left alone."""
    assert Redactor().text(text) == (text, {})


@pytest.mark.parametrize("text", _ASSIGNMENTS)
def test_a_value_whose_name_says_secret_is_masked(text: str) -> None:
    """Whatever the notation: shell, JSON, Python, YAML or an option of a command."""
    text, masked, _ = _marked(text)
    assert Redactor().text(text) == (masked, {"secret assignment": 1})


def test_a_masked_number_in_json_stays_json() -> None:
    """A secret that is no string becomes one."""
    text, _ = Redactor().text('{"pin_password": 1234, "n": 1}')
    assert json.loads(text) == {"pin_password": "<redacted>", "n": 1}


_LETTERS = "ab:=, '\"\\{}[]()@/-é\n\u2028"


@given(
    st.dictionaries(
        st.sampled_from(["password", "token", "tokenizers", "note", "api_key", "secrets", "n"]),
        st.one_of(
            st.text(_LETTERS, max_size=12),
            st.sampled_from(["token=abc", "password:", "--token x", "a\\", '"', "\\n", "Bearer x"]),
            st.integers(),
            st.none(),
            st.booleans(),
            st.lists(st.text(_LETTERS, max_size=3), max_size=2),
        ),
    ),
    st.sampled_from([None, 2]),
)
def test_redacted_json_is_json_and_redacting_again_changes_nothing(
    value: dict[str, object], indent: int | None
) -> None:
    """JSON files keep their form, their names and what is no secret."""
    text = json.dumps(value, indent=indent)
    redacted, _ = _KNOWN.text(text)
    parsed = json.loads(redacted)
    assert set(parsed) == set(value)
    assert parsed.get("n") == value.get("n") or isinstance(value.get("n"), (str, list))
    assert parsed.get("tokenizers") == value.get("tokenizers") or not isinstance(
        value.get("tokenizers"), (int, type(None))
    )
    assert _KNOWN.text(redacted) == (redacted, {})


@given(st.text(alphabet="token=:\"' \\,{}[]()@/-<redacted>bearer authorization\n", max_size=60))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    """A mask is never taken for a secret."""
    once, _ = _KNOWN.text(text)
    assert _KNOWN.text(once)[0] == once


@pytest.mark.parametrize(
    ("text", "redacted", "kind"),
    [
        ("/home/ada/models/x.onnx", "~/models/x.onnx", "home directory"),
        ("HOME=/home/ada", "HOME=~", "home directory"),
        ("-I/home/ada/include", "-I~/include", "home directory"),
        ("('/home/ada', 1)", "('~', 1)", "home directory"),
        ("/root/.cache", "~/.cache", "home directory"),
        ("/scratch/ada/run", "/scratch/<user>/run", "user name"),
        ("ada@mail", "<user>@mail", "user name"),
        ("started by ada.", "started by <user>.", "user name"),
        ("on box.example.org:22", "on <alpha>:22", "host name"),
        ("box: ready", "<alpha>: ready", "host name"),
        ("x s3cr3t-value-long y", "x <redacted> y", "secret environment value"),
    ],
)
def test_names_of_persons_and_machines_are_replaced(text: str, redacted: str, kind: str) -> None:
    """Home directories, login names, host names and known secret values go, and are counted."""
    assert _KNOWN.text(text) == (redacted, {kind: 1})


@pytest.mark.parametrize("text", ["/home/adam/x", "canada", "toolbox", "/homes", "ada_lovelace"])
def test_parts_of_longer_words_stay(text: str) -> None:
    """A name inside another word is not the name."""
    assert _KNOWN.text(text) == (text, {})


def test_empty_names_replace_nothing() -> None:
    """An unset HOME, or a home of "/", does not tear the text apart."""
    empty = Redactor(homes=("", "/"), users=("",), hosts=("",), secrets=("",))
    assert empty.text("a /b c") == ("a /b c", {})


@pytest.mark.parametrize("piece", ["a", "-", "token", "x_", 'token="', "\\", 'token="\\'])
@pytest.mark.long
def test_a_long_line_takes_no_quadratic_time(piece: str) -> None:
    """A log with a progress bar or a blob in one line is redacted in time linear in its length."""
    assert growth(lambda size: _KNOWN.text('token="' + piece * size), 5_000) < 9


_PLANTED = {
    "DATABASE_URL": "postgres://ada:planted-secret-1@db/x",
    "KAGGLE_KEY": "planted-secret-2",
    "PIP_INDEX_URL": "https://ada:planted-secret-3@pypi.example.org/simple",
    "http_proxy": "http://ada:planted-secret-4@proxy:3128",
    "HF_TOKEN": "planted-secret-5",
    "AWS_SECRET_ACCESS_KEY": "planted-secret-6",
    "LANGSMITH_API_KEY": "planted-secret-7",
    "LANGUAGE_MODEL": "planted-secret-8",
    "TZ_SECRET": "planted-secret-9",
    "LD_PRELOAD_X": "planted-secret-10",
    "ORT_REGISTRY_TOKEN": "planted-secret-11",
    "MY_OMP_": "planted-secret-12",
    "OMP": "planted-secret-13",
    "TORCH_HUB_AUTH": "planted-secret-14",
    "ORT_HUB_SESSION": "planted-secret-15",
    "TVM_REGISTRY_COOKIE": "planted-secret-16",
    "PYTORCH_CI_PAT": "planted-secret-17",
    "OMP_AUTH": "planted-secret-18",
    "OPENVINO_LICENSE": "planted-secret-19",
}


@given(
    st.one_of(
        st.from_regex(redaction._ASSIGNMENT),
        st.from_regex(redaction._COOKIE),
        st.from_regex(re.compile(rf"--[a-z]{{0,3}}{redaction._KEYWORD} =?x", re.IGNORECASE)),
        st.from_regex(re.compile(r"--[a-z]{1,3}(?:auth|pat|pwd) x", re.IGNORECASE)),
    )
)
@example("--access_credent\u0130al x")
@example("ap\u0131key=x")
@example("pa\u017f\u017fwd=x")
def test_no_assignment_is_missed_for_want_of_its_words(text: str) -> None:
    """Whatever the patterns find has one of the words without which they are not tried."""
    found = redaction._ASSIGNMENT.search(text) or redaction._COOKIE.search(text)
    assert redaction.may_assign(text) or not found


def test_what_frameworks_print_seldom_has_such_words() -> None:
    """Paths and options are everywhere; the patterns would take a second for 2 MB."""
    line = "2026-11-29 12:00:00 INFO batch 17 of 200: 3.1 ms, path=/tmp/x --max-batchsize 4\n"
    assert not redaction.may_assign(line * 3)
    assert redaction.may_assign(line + "--myauth x")


def test_the_recorded_environment_holds_no_planted_secret() -> None:
    """Only variables that steer the benchmark are recorded; deny-lists miss half of these."""
    steering = {
        "OMP_NUM_THREADS": "2",
        "KMP_AFFINITY": "granularity=fine,compact",
        "CUDA_VISIBLE_DEVICES": "0,1",
        "LD_PRELOAD": "/usr/lib/libtcmalloc.so",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "ORT_NUM_THREADS": "2",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
        "TORCH_LOGS": "+dynamo",
        "TVM_BIND_THREADS": "1",
    }
    recorded = recorded_environment(_PLANTED | steering | {"PATH": "/bin", "HOME": "/home/ada"})
    assert recorded == steering
    assert list(recorded) == sorted(recorded)


def _with_tail(name: str) -> st.SearchStrategy[str]:
    return st.text("SECRTOKN_", max_size=8).map(lambda tail: name + tail)


_NAMES = st.text("ABCKEMOPSTUNLZ_x", min_size=1)


@given(st.dictionaries(_NAMES | st.sampled_from(["LANG", "OMP_"]).flatmap(_with_tail), _NAMES))
def test_unknown_variables_are_never_recorded(environ: dict[str, str]) -> None:
    """Whatever the environment holds, only names of the allow-list come out."""
    for name in recorded_environment(environ):
        assert name.startswith(("OMP_", "MKL_", "KMP_", "GOMP_")) or name.isupper()
        assert not any(word in name for word in ("TOKEN", "SECRET", "PASSW"))


def test_planted_secrets_do_not_survive_in_text() -> None:
    """What the environment calls secret is masked wherever a framework prints it."""
    redactor = Redactor(users=("ada",), secrets=secret_values(_PLANTED))
    dump = "\n".join(f"{name}={value}" for name, value in _PLANTED.items())
    loose = " ".join(v for n, v in _PLANTED.items() if n in ("KAGGLE_KEY", "HF_TOKEN"))
    text, _ = redactor.text(f"{dump}\n{loose}\n{json.dumps(_PLANTED)}")
    for number in (1, 2, 3, 4, 5, 6, 7, 9, 11):
        assert f"planted-secret-{number}\n" not in text
        assert f"planted-secret-{number}@" not in text
        assert f'planted-secret-{number}"' not in text


def test_secret_values_are_long_ones_by_name() -> None:
    """Short values would tear holes into ordinary words; longer ones come first."""
    found = secret_values(
        {
            "HF_TOKEN": "short",
            "KAGGLE_KEY": "0123456789",
            "MYSQL_PWD": "01234567",
            "PATH": "/usr/bin:/bin",
            "PWD": "/home/ada/results",
            "TOKENIZERS_PARALLELISM": "disabled!",
            "SSH_AUTH_SOCK": "/tmp/ssh-agent",
            "GIT_AUTHOR_NAME": "Ada Lovelace",
        }
    )
    assert found == ("0123456789", "01234567")
    names = ("DOCKER_AUTH_CONFIG", "SESSION_COOKIE", "GH_PAT", "NPM_AUTH", "SLACK_WEBHOOK")
    assert all(secret_values({name: "0123456789"}) for name in names)


_FORMS: dict[str, Callable[[str], str]] = {
    "JSON": lambda value: json.dumps({"x": value}),
    "Python": repr,
    "shell": shlex.quote,
    "percent": lambda value: f"https://example.org/?k={quote(value, safe='')}",
    "form": lambda value: f"k={quote_plus(value)}&b=1",
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "login": lambda value: base64.b64encode(f"ada:{value}\n".encode()).decode(),
    "later in base64": lambda value: base64.urlsafe_b64encode(f"a=1;{value};".encode()).decode(),
    "hexadecimal": lambda value: value.encode().hex(),
}


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("value", ["planted-secret-1", 'w0rd "quoted" ü/+%&', "it's \\ here\n"])
def test_a_known_secret_is_masked_in_whatever_form_a_program_writes(form: str, value: str) -> None:
    """Quoted, percent-encoded, in a login in base64: two thirds of it would be readable there."""
    written = _FORMS[form](value)
    text, counts = Redactor(secrets=(value,)).text(f"before {written} after")
    assert counts["secret environment value"] == 1
    assert text.startswith("before ")
    assert text.endswith(" after")
    left = max(len(part) for part in text.split("<redacted>"))
    assert left - len("before ") < 32
    for plain in (value, written):
        assert plain not in text


def test_text_in_utf_16_is_read() -> None:
    """What a program wrote in two bytes a letter is masked like any other text."""
    for encoding in ("utf-16-le", "utf-16-be", "utf-16"):
        text = decoded("password=hunter22".encode(encoding))
        assert "hunter22" not in Redactor().text(text)[0]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:s3cr3t@example.org/x", "https://example.org/x"),
        ("https://ada@example.org/x", "https://example.org/x"),
        ("https://a@b:c@example.org/x", "https://example.org/x"),
        ("https://h/x.git?private_token=abc", "https://h/x.git?private_token=<redacted>"),
        ("ssh://git@example.org/x", "ssh://git@example.org/x"),
        ("git@example.org:x/y", "git@example.org:x/y"),
    ],
)
def test_a_url_is_shown_without_login_and_token(url: str, shown: str) -> None:
    """Messages end in logs that others read."""
    assert shown_url(url) == shown


@pytest.mark.parametrize("option", ["--token", "--hf_token", "--api-key", "--client-secret"])
def test_the_argument_after_an_option_for_a_secret_is_masked(option: str) -> None:
    """`--token abc` arrives as two arguments; the second is a secret whatever it looks like."""
    cleaned, counts = Redactor().arguments(["run", option, "abc def", "--model", "digits"])
    assert cleaned == ["run", option, "<redacted>", "--model", "digits"]
    assert counts == {"secret assignment": 1}
