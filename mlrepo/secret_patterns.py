"""The regular expressions for credentials, which are masked or cause a push to be refused."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlrepo.secret_anchors import TOKENS, WORDLIKE_TOKENS

MASK = "<redacted>"

# Where a token may begin if its prefix could also end a longer word: after anything but a letter or
# digit, after an escape (JSON, percent, quoted-printable), or after a terminal's colour code.
ESCAPED = (
    r"(?<=\\[abefnrtv0])|(?<=[%=][0-9A-Fa-f]{2})|(?<=\\x[0-9A-Fa-f]{2})|(?<=\\0[0-7]{2})"
    r"|(?<=\\u[0-9A-Fa-f]{4})"
    r"|(?<=\[[A-Za-z])|(?<=[\[;]\d[A-Za-z])|(?<=[\[;]\d\d[A-Za-z])|(?<=[\[;]\d\d\d[A-Za-z])"
)
_AFTER_ANY_WORD = rf"(?:(?<![A-Za-z0-9])|{ESCAPED})"

# Credentials recognized by context. The group "secret" is masked if a pattern has one, else the
# whole match. To keep matching linear in the text, no repetition may precede a part that may be
# missing, unless it is bounded or cannot begin twice in one run of characters.
_CONTEXTS: Mapping[str, re.Pattern[str]] = {
    "JSON web token": re.compile(
        rf"{_AFTER_ANY_WORD}eyJ[\w\-]{{8,2048}}+\.eyJ[\w\-]{{8,}}+\.[\w\-]+", re.ASCII
    ),
    "private key": re.compile(
        r"----[- ]BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?[- ]----"
        r".*?(?:----[- ]END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?[- ]-{3,4}|\Z)"
        r"|PuTTY-User-Key-File-\d:.*?(?:Private-MAC:[^\n]*|\Z)",
        re.DOTALL,
    ),
    # Everything up to the last "@" of the authority; "git@" is the shared login of Git hosts.
    "credentials in a URL": re.compile(
        rf"://(?!git@|{MASK}@)(?P<secret>[^/?#\s'\"\\]+)(?=@)", re.IGNORECASE
    ),
    "authorization header": re.compile(
        r"authorization[\"'\\*]*[ \t]*[:=][ \t]*[\"'\\]*"
        r"(?:(?:bearer|basic|digest|negotiate|token)\s+)?+"
        rf"(?!{MASK})(?P<secret>[^\s\"'\\,;]+)",
        re.IGNORECASE,
    ),
    "Azure key": re.compile(
        r"(?:(?:AccountKey|SharedAccessKey)[\"'\\]*[ \t]*[=:][ \t]*[\"'\\]*|[?&;]sig=)"
        r"(?P<secret>[A-Za-z0-9+/%\\\-_]{40,}+=*)|[\w~.]{3}\dQ~[\w~.\-]{31,}",
        re.ASCII,
    ),
    "registry login": re.compile(
        r"(?:\"auth\"[ \t]*:[ \t]*\"|(?<![A-Za-z0-9])_auth(?:Token)?=)"
        r"(?P<secret>[A-Za-z0-9+/=_.\-]{8,}+)"
    ),
    "login in .netrc": re.compile(
        r"machine\s++\S++\s++(?:login\s++\S++\s++)?+(?:account\s++\S++\s++)?+password\s++"
        rf"(?!{MASK})(?P<secret>\S+)"
    ),
    "AWS secret key": re.compile(
        r"secret_?access_?key[\"'\\]*[ \t]*[:=][ \t]*[\"'\\]*"
        r"(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])",
        re.IGNORECASE,
    ),
    "Kaggle key": re.compile(
        r"(?:\"username\"\s*+:\s*+\"[^\"\n]{1,64}\"\s*+,\s*+\"key\"\s*+:\s*+\""
        r"|KAGGLE_KEY[\"'\\]*[ \t]*[:=][ \t]*[\"'\\]*)(?P<secret>[0-9a-f]{32})(?![0-9a-f])"
    ),
    "Weights & Biases key": re.compile(
        r"WANDB_API_KEY[\"'\\]*[ \t]*[:=][ \t]*[\"'\\]*"
        r"(?P<secret>[0-9a-f]{40})(?![0-9a-f])"
    ),
    "webhook": re.compile(
        r"(?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/webhooks"
        r"|webhook\.office\.com/webhookb2)/(?P<secret>[\w+/@\-]{20,})",
        re.ASCII,
    ),
    "Telegram token": re.compile(r"(?<![0-9])[0-9]{8,10}:AA[\w\-]{32,}", re.ASCII),
}


def _token_patterns() -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for wordlike, rows in ((False, TOKENS), (True, WORDLIKE_TOKENS)):
        for kind, prefixes, characters, shortest in rows:
            words = "|".join(re.escape(prefix) for prefix in prefixes.split())
            begin, end = _AFTER_ANY_WORD if wordlike else "", ",}+"
            if wordlike and characters in ("A-Z0-9", "a-f0-9"):
                # Texts are full of such characters: require the exact length and a boundary.
                begin = rf"(?:(?<![A-Z0-9])|{ESCAPED})" if characters == "A-Z0-9" else begin
                end = f"}}(?![{characters}])"
            found.setdefault(kind, []).append(f"{begin}(?:{words})[{characters}]{{{shortest}{end}")
    return {kind: "|".join(patterns) for kind, patterns in found.items()}


SECRET_PATTERNS: Mapping[str, re.Pattern[str]] = {
    **{kind: re.compile(pattern) for kind, pattern in _token_patterns().items()},
    **_CONTEXTS,
}
