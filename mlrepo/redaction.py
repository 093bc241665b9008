"""Keeping secrets and personal names out of what is recorded.

Two nets: an allow-list for environment variables (a deny-list of names misses ``DATABASE_URL``),
and a redactor that every text a person or a framework wrote passes through on its way into a
commit. LoadGen's own logs are never rewritten: they hold no path and no environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Only variables that steer threads, kernels, devices and frameworks; never "everything but". A name
# that ends in "_" stands for all names that begin with it ("LANG" must not let LANGCHAIN_… pass).
RECORDED_VARIABLES: tuple[str, ...] = (
    "OMP_", "MKL_", "KMP_", "GOMP_", "OPENBLAS_", "BLIS_", "ORT_", "ONNXRUNTIME_", "TVM_",
    "DNNL_", "ONEDNN_", "TORCH_", "PYTORCH_", "ATEN_", "OPENVINO_", "OV_", "MALLOC_",
    "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_", "HIP_VISIBLE_DEVICES", "NUMEXPR_", "TBB_", "LD_PRELOAD",
    "PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONMALLOC", "LANG", "LC_ALL", "TZ",
)  # fmt: skip
_RECORDED_PREFIXES = tuple(name for name in RECORDED_VARIABLES if name.endswith("_"))

_MASK = "<redacted>"

# Anchored patterns of credentials as their issuers document them. What is masked is the group
# "secret" where a pattern has one, else the whole match.
SECRET_PATTERNS: Mapping[str, re.Pattern[str]] = {
    "GitHub token": re.compile(
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})\b"
    ),
    "GitLab token": re.compile(r"\bglpat-[A-Za-z0-9_\-]{20,}"),
    "AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "Google API key": re.compile(r"\bAIza[0-9A-Za-z_\-]{35}"),
    "Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{30,}\b"),
    "PyPI token": re.compile(r"\bpypi-[A-Za-z0-9_\-]{50,}"),
    "OpenAI key": re.compile(r"\bsk-[A-Za-z0-9_\-]{20,}"),
    "JSON web token": re.compile(
        r"\beyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]+"
    ),
    "private key": re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
    ),
    # All up to the last "@" of the authority; "git@" is everybody's login at a Git host.
    "credentials in a URL": re.compile(
        rf"(?<=://)(?!git@|{_MASK}@)[^/?#\s'\"\\]+(?=@)", re.IGNORECASE
    ),
    "authorization header": re.compile(
        r"\bauthorization[\"'\\]*\s*[:=]\s*[\"'\\]*(?:(?:bearer|basic|digest|negotiate|token)\s+)?+"
        rf"(?!{_MASK})(?P<secret>[^\s\"'\\,;]+)",
        re.IGNORECASE,
    ),
}
# name=value, "name": "value" and --name value, where the name says that the value is a secret.
# Counts of tokens and tokenizers are none, and benchmarks of language models are full of them.
# Nothing may repeat before the keyword: a long line of letters would take quadratic time.
_KEYWORD = (
    r"(?:(?<!tik)token(?!s|iz)|secret|passw(?:or)?d|passphrase|api[_\-]?key|access[_\-]?key|credential"
    r"|private[_\-]?key)"
)
_ASSIGNMENT = re.compile(
    rf"""
    (?: (?: {_KEYWORD}[a-z0-9_\-]{{0,64}} | (?<=[a-z0-9])_key )
        (?P<close> \\*["'] )? [ \t]*[=:][ \t]*
      | (?<![\w\-]) --(?=[a-z]) [a-z0-9_\-]{{0,64}}{_KEYWORD}[ \t]+ (?!-)
    )
    (?! \\*["']?{_MASK} | [\[{{] | (?:null|none|true|false)\b )
    (?: (?P<quote> \\*["']) (?(close) | (?! [\s,:\]}}] ) )
        (?P<quoted> (?: (?! (?P=quote) ) (?: [^\\\n] | \\. ) )++ ) (?P=quote)
      | (?P<open> ["'] )? (?P<bare>  # up to a space, quote, escape, or separator
          (?: [^\s,;"'()\[\]{{}}\\]
            | [,;()\[\]{{}}] (?! [\s"'\\,;)\]}}] | \Z | [\w\-]+[ \t]*[=:] )
            | \\\\ | \\ (?! [nrtbfu"'\\/] )
          )+ )
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Names of environment variables whose values are secret.
_SECRET_NAME = re.compile(
    r"token(?!iz)|secret|passw|passphrase|api_?key|credential|_key\Z|_pass\Z|_pwd\Z|database_url|_dsn\Z",
    re.IGNORECASE,
)


_SECRET_OPTION = re.compile(rf"--?(?=[a-z])[a-z0-9_\-]{{0,64}}{_KEYWORD}", re.IGNORECASE)


@dataclass(frozen=True)
class Redactor:
    """Replaces credentials, home directories, user names and host names in text.

    Attributes
    ----------
    homes:
        Home directories, replaced by ``~``.
    users:
        Login names, replaced by ``<user>`` where they stand as a whole word.
    hosts:
        Host names, replaced by ``host_label`` where they stand as a whole word.
    secrets:
        Exact values known to be secret (values of unrecorded environment variables whose name
        says so), replaced wherever they stand.
    """

    homes: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    host_label: str = "<host>"
    secrets: tuple[str, ...] = ()

    def text(self, text: str) -> tuple[str, dict[str, int]]:
        """Return ``text`` without secrets and names, and how often each kind was replaced."""
        counts: dict[str, int] = {}

        def count(kind: str, number: int) -> None:
            if number:
                counts[kind] = counts.get(kind, 0) + number

        for secret in filter(None, self.secrets):
            count("secret environment value", text.count(secret))
            text = text.replace(secret, _MASK)
        for kind, pattern in SECRET_PATTERNS.items():
            text, number = pattern.subn(_masked, text)
            count(kind, number)
        text, number = _ASSIGNMENT.subn(_masked, text)
        count("secret assignment", number)
        for home in sorted((home.rstrip("/") for home in self.homes), key=len, reverse=True):
            if home:
                text, number = re.subn(re.escape(home) + r"(?![A-Za-z0-9_.\-])", "~", text)
                count("home directory", number)
        for names, label, kind in (
            (self.users, "<user>", "user name"),
            (self.hosts, self.host_label, "host name"),
        ):
            for name in filter(None, names):
                text, number = re.subn(
                    rf"(?<![A-Za-z0-9_.\-]){re.escape(name)}(?![A-Za-z0-9_\-])", label, text
                )
                count(kind, number)
        return text, counts

    def arguments(self, arguments: Iterable[str]) -> tuple[list[str], dict[str, int]]:
        """Return a command's arguments without secrets and names, and the counts.

        The value after an option that names a secret (``--token abc``) is one, whatever it is.
        """
        cleaned: list[str] = []
        counts: dict[str, int] = {}
        secret_follows = False
        for argument in arguments:
            if secret_follows:
                text, found = _MASK, {"secret assignment": 1}
            else:
                # An argument that is not UTF-8 holds what no file can: spell it as an escape.
                text, found = self.text(argument.encode("utf-8", "backslashreplace").decode())
            cleaned.append(text)
            for kind, number in found.items():
                counts[kind] = counts.get(kind, 0) + number
            secret_follows = bool(_SECRET_OPTION.fullmatch(argument))
        return cleaned, counts


def _masked(match: re.Match[str]) -> str:
    """Return the match with its secret masked and all around it as it was."""
    groups = match.groupdict()
    for name in ("secret", "quoted", "bare"):
        if groups.get(name):
            start, end = (position - match.start() for position in match.span(name))
            # A number in JSON needs the quotes of its name to stay JSON.
            quote = (groups["close"] or "") if name == "bare" and not groups["open"] else ""
            return f"{match[0][:start]}{quote}{_MASK}{quote}{match[0][end:]}"
    return _MASK


def recorded_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that may be recorded, by :data:`RECORDED_VARIABLES`."""
    return {
        name: value
        for name, value in sorted(environ.items())
        if (name in RECORDED_VARIABLES or name.startswith(_RECORDED_PREFIXES))
        and not _SECRET_NAME.search(name)
    }


def secret_values(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return values of variables whose name says they are secret, longest first.

    Values shorter than eight characters are left out: they would tear holes into ordinary words.
    """
    values = {v for n, v in environ.items() if _SECRET_NAME.search(n) and len(v) >= 8}
    return tuple(sorted(values, key=len, reverse=True))


def find_secrets(text: str) -> Iterable[tuple[str, int]]:
    """Yield (kind, offset) of each credential in ``text`` by :data:`SECRET_PATTERNS`."""
    for kind, pattern in SECRET_PATTERNS.items():
        for match in pattern.finditer(text):
            yield kind, match.start()
