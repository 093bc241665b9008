"""Redaction of secrets and personal names from what is recorded.

There are two safeguards: an allow-list of environment variables (a deny-list would miss
``DATABASE_URL``), and a redactor for every text that a person or a framework wrote, before it is
committed. LoadGen's own logs are never rewritten: they contain no paths and no environment.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from mlrepo.secret_anchors import possible_kinds
from mlrepo.secret_patterns import ESCAPED, MASK, SECRET_PATTERNS

# Only variables that control threads, kernels, devices and frameworks; never "everything but". A
# name that ends in "_" matches all names with that prefix ("LANG" must not let LANGCHAIN_… pass).
RECORDED_VARIABLES: tuple[str, ...] = (
    "OMP_",
    "MKL_",
    "KMP_",
    "GOMP_",
    "OPENBLAS_",
    "BLIS_",
    "DNNL_",
    "ONEDNN_",
    "MALLOC_",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_",
    "HIP_VISIBLE_DEVICES",
    "NUMEXPR_",
    "TBB_",
    "LD_PRELOAD",
    "PYTHONHASHSEED",
    "PYTHONOPTIMIZE",
    "PYTHONMALLOC",
    "LANG",
    "LC_ALL",
    "TZ",
    # What a job of Slurm has of its node; neither the node's name nor that of the user.
    "SLURM_JOB_ID",
    "SLURM_JOB_PARTITION",
    "SLURM_JOB_NUM_NODES",
    "SLURM_CPUS_ON_NODE",
    "SLURM_JOB_CPUS_PER_NODE",
    "SLURM_MEM_PER_NODE",
    "SLURM_OVERSUBSCRIBE",
    "SLURM_JOB_OVERSUBSCRIBE",
    "SLURM_THREADS_PER_CORE",
    "SLURM_CPU_FREQ_REQ",
    "SLURM_HINT",
)
_RECORDED_PREFIXES = tuple(name for name in RECORDED_VARIABLES if name.endswith("_"))
# Frameworks also log in to hubs and registries: record only names with a word that marks a setting.
_FRAMEWORKS = ("ORT_", "ONNXRUNTIME_", "TVM_", "TORCH_", "PYTORCH_", "ATEN_", "OPENVINO_", "OV_")
_STEERING = frozenset(
    {
        "ALLOC",
        "ALLOW",
        "ARCH",
        "ARENA",
        "BATCH",
        "BIND",
        "BLAS",
        "CACHE",
        "CACHING",
        "COMPILE",
        "CONF",
        "CORES",
        "CPU",
        "CUDA",
        "CUDNN",
        "DEBUG",
        "DEVICE",
        "DEVICES",
        "DISABLE",
        "DISABLED",
        "ENABLE",
        "ENABLED",
        "FP16",
        "GPU",
        "HIP",
        "INDUCTOR",
        "INT8",
        "ISA",
        "JIT",
        "KERNEL",
        "LEVEL",
        "LOG",
        "LOGS",
        "MEMORY",
        "MKLDNN",
        "NNPACK",
        "NUM",
        "OMP",
        "OPT",
        "PRECISION",
        "PROFILE",
        "PROFILING",
        "STREAMS",
        "TENSORRT",
        "TF32",
        "THREAD",
        "THREADING",
        "THREADS",
        "TRT",
        "VERBOSE",
        "WARP",
        "WORKSPACE",
    }
)

# A shorter value of an environment variable would also match inside ordinary words.
_SHORTEST = 8
# name=value, "name": "value" and --name value, where the name says that the value is a secret.
# Token counts, tokenizers and LoadGen's words about tokens (use_token_latencies, token_data) are no
# secrets; benchmarks of language models are full of them.
# No repetition before the keyword: a long line of letters would take quadratic time.
_KEYWORD = (
    r"(?:(?<!tik)token(?!s|iz|_(?:latenc|throughput|count|data))|secret|passw(?:or)?d|passphrase"
    r"|api[_\-]?key|access[_\-]?key|credential|private[_\-]?key|cookie(?!s))"
)
_ASSIGNMENT = re.compile(
    rf"""
    (?: (?: {_KEYWORD}[a-z0-9_\-]{{0,64}} | (?<=[a-z0-9]) (?: _key | [_\-](?:auth|pat|pwd) ) )
        (?P<close> \\*["'] )? [ \t]*[=:][ \t]*
      | (?: (?<![\w\-]) | {ESCAPED} ) --(?=[a-z]) [a-z0-9_\-]{{0,64}}
        (?: {_KEYWORD} | (?<=[a-z0-9_\-])(?:auth|pat|pwd) ) [ \t]+ (?!-)
    )
    (?! \\*["']?{MASK} | [\[{{] | (?:null|none|true|false)\b )
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
# A header with several values.
_COOKIE = re.compile(
    rf"cookie[\"'\\]*[ \t]*:[ \t]*[\"'\\]*(?!{MASK})(?P<secret>[^\n\"'\\]+)", re.IGNORECASE
)
# What a text with an assignment or an option contains, in small letters: searching for plain words
# is a hundred times as fast as trying the pattern at each character.
_WORDS = (
    *("token", "secret", "passw", "passphrase", "credential", "cookie", "_key"),
    *(f"{name}{joint}key" for name in ("api", "access", "private") for joint in ("", "-")),
    *(f"{joint}{name}" for name in ("auth", "pat", "pwd") for joint in "_-"),
)
_OPTION_WORDS = tuple(f"{name}{blank}" for name in ("auth", "pat", "pwd") for blank in " \t")
# Names of environment variables whose values are secret.
_SECRET_NAME = re.compile(
    r"token(?!iz)|secret|passw|passphrase|api_?key|credential|auth(?!or|_sock)|cookie|connection_?str"
    r"|webhook|_(?:key|pass|pwd|pat|jwt|creds?|sas|dsn)\Z|database_url",
    re.IGNORECASE,
)
_SECRET_OPTION = re.compile(
    rf"--?(?=[a-z])[a-z0-9_\-]{{0,64}}(?:{_KEYWORD}|(?:auth|[_\-]pat|[_\-]pwd)\Z)", re.IGNORECASE
)


@dataclass(frozen=True)
class Redactor:
    """Replace credentials, home directories, user names and host names in text.

    Attributes
    ----------
    homes:
        Home directories, replaced by ``~``.
    users:
        Login names, replaced by ``<user>`` if they are a whole word.
    hosts:
        Host names, replaced by ``host_label`` if they are a whole word.
    secrets:
        Exact values known to be secret (values of unrecorded environment variables whose name
        says so), replaced everywhere.
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

        for form in _forms(self.secrets):
            count("secret environment value", text.count(form))
            text = text.replace(form, MASK)
        for kind in possible_kinds(text.encode("utf-8", "surrogatepass")):
            text, number = SECRET_PATTERNS[kind].subn(_masked, text)
            count(kind, number)
        if may_assign(text):
            for pattern in (_COOKIE, _ASSIGNMENT):
                text, number = pattern.subn(_masked, text)
                count("secret assignment", number)
        for home in sorted((home.rstrip("/") for home in self.homes), key=len, reverse=True):
            if home and home in text:
                text, number = re.subn(re.escape(home) + r"(?![A-Za-z0-9_.\-])", "~", text)
                count("home directory", number)
        for names, label, kind in (
            (self.users, "<user>", "user name"),
            (self.hosts, self.host_label, "host name"),
        ):
            for name in names:
                if not name or name not in text:
                    continue
                text, number = re.subn(
                    rf"(?:(?<![A-Za-z0-9_.\-])|{ESCAPED}){re.escape(name)}(?![A-Za-z0-9_\-])",
                    label,
                    text,
                )
                count(kind, number)
        return text, counts

    def arguments(self, arguments: Iterable[str]) -> tuple[list[str], dict[str, int]]:
        """Return a command's arguments without secrets and names, and the counts.

        Any value after an option that names a secret (``--token abc``) is treated as a secret.
        """
        cleaned: list[str] = []
        counts: dict[str, int] = {}
        secret_follows = False
        for argument in arguments:
            if secret_follows:
                text, found = MASK, {"secret assignment": 1}
            else:
                # Undecodable bytes of an argument cannot be written to a file: escape them.
                text, found = self.text(argument.encode("utf-8", "backslashreplace").decode())
            cleaned.append(text)
            for kind, number in found.items():
                counts[kind] = counts.get(kind, 0) + number
            secret_follows = bool(_SECRET_OPTION.fullmatch(argument))
        return cleaned, counts


def may_assign(text: str) -> bool:
    """Return whether a secret may be assigned in ``text``; if not, no pattern needs to be tried."""
    # As re.IGNORECASE compares: all letters i are one.
    small = text.casefold().replace("\u0307", "").replace("\u0131", "i")
    if any(word in small for word in _WORDS):
        return True
    return "--" in small and any(word in small for word in _OPTION_WORDS)


def _masked(match: re.Match[str]) -> str:
    """Return the match with its secret masked and the rest unchanged."""
    groups = match.groupdict()
    for name in ("secret", "quoted", "bare"):
        if groups.get(name):
            start, end = (position - match.start() for position in match.span(name))
            # If a JSON number is masked, the mask needs quotes like its key, to be valid JSON.
            quote = (groups["close"] or "") if name == "bare" and not groups["open"] else ""
            return f"{match[0][:start]}{quote}{MASK}{quote}{match[0][end:]}"
    return MASK


def decoded(data: bytes) -> str:
    """Return bytes that a person or a framework wrote as text.

    NULs are removed: they are not text, and without them UTF-16 can be read and masked.
    """
    return data.replace(b"\0", b"").decode("utf-8", errors="replace")


def shown_url(url: str) -> str:
    """Return a URL that may be shown: without login and secrets."""
    without = re.sub(r"(?<=://)(?!git@)[^/?#\s@]*(?:@[^/?#\s@]*)*@", "", url)
    return Redactor().text(without)[0]


def recorded_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that may be recorded, by :data:`RECORDED_VARIABLES`.

    Those of frameworks are recorded only if a word in their name marks them as settings.
    """
    return {
        name: value
        for name, value in sorted(environ.items())
        if (name in RECORDED_VARIABLES or name.startswith(_RECORDED_PREFIXES) or _steers(name))
        and not _SECRET_NAME.search(name)
    }


def _steers(name: str) -> bool:
    return name.startswith(_FRAMEWORKS) and not _STEERING.isdisjoint(name.split("_")[1:])


def secret_values(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return values of variables whose name says they are secret, longest first.

    Values shorter than eight characters are left out: they would match inside ordinary words.
    """
    values = {v for n, v in environ.items() if _SECRET_NAME.search(n) and len(v) >= _SHORTEST}
    return tuple(sorted(values, key=len, reverse=True))


@functools.cache
def _forms(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Return the secrets as they are and as programs encode them, longest first.

    In JSON, Python and shell quotes, in a URL, in hexadecimal digits, and in base64 at any offset
    in the encoded text.
    """
    forms: set[str] = set()
    for secret in filter(None, secrets):
        forms |= {
            secret,
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            repr(secret)[1:-1],
            secret.replace("'", "'\"'\"'"),
        }
        data = secret.encode("utf-8", "surrogateescape")
        quoted = {quote(data, safe=""), quote(data), quote_plus(data)}
        forms |= quoted | {re.sub("%..", lambda match: match[0].lower(), form) for form in quoted}
        if len(secret) >= _SHORTEST:
            forms |= {data.hex(), data.hex().upper(), *_in_base64(data)}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _in_base64(data: bytes) -> Iterator[str]:
    """Yield the base64 characters of ``data`` alone, for each offset in a group of three bytes."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode()
        whole = encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        yield from {whole, whole.replace("+", "-").replace("/", "_")}
