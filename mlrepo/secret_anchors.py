"""The known credentials, and the fixed bytes that a file with one must contain.

Searching for fixed bytes is fast and needs no module: a commit without any of them (nearly every
commit) does not need the regular expressions and their start-up time.
"""

from __future__ import annotations

TYPE_CHECKING = False  # a commit without these bytes need not import typing
if TYPE_CHECKING:
    from collections.abc import Collection

_LETTERS = "A-Za-z0-9"
_WORD = _LETTERS + r"_\-"
_HEX_DIGITS = "a-fA-F0-9"

# Credentials with a unique prefix, as documented by their issuers: the kind, the possible prefix,
# the characters that follow, and the least number of them. There is no upper limit: issuers make
# their tokens longer over time.
TOKENS: tuple[tuple[str, str, str, int], ...] = (
    ("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", _LETTERS, 36),
    ("GitHub token", "github_pat_", _LETTERS + "_", 22),
    ("GitLab token", "glpat- gldt- glrt- glcbt- glptt- glft- glimt-", _WORD, 20),
    ("GitLab token", "glsoat- glffct- glagent- gloas-", _WORD, 20),
    ("GitLab token", "GR1348941", _WORD, 20),
    ("Slack token", "xoxa- xoxb- xoxe- xoxp- xoxr- xoxs- xapp- xoxe.xox", _LETTERS + "-", 10),
    ("Google API key", "AIza", _WORD, 35),
    ("Google client secret", "GOCSPX-", _WORD, 24),
    ("Google access token", "ya29.", _WORD + ".", 30),
    ("PyPI token", "pypi-", _WORD, 50),
    ("npm token", "npm_", _LETTERS, 36),
    ("RubyGems key", "rubygems_", _HEX_DIGITS, 48),
    ("Docker Hub token", "dckr_pat_ dckr_oat_", _WORD, 20),
    ("DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", _HEX_DIGITS, 40),
    ("Shopify token", "shpat_ shpca_ shppa_ shpss_", _HEX_DIGITS, 32),
    ("Sendinblue key", "xkeysib- xsmtpsib-", _LETTERS + "-", 48),
    ("Terraform Cloud token", ".atlasv1.", _WORD + "=", 50),
    ("Grafana token", "glsa_ glc_eyJ", _WORD + "+/=", 32),
    ("1Password token", "ops_eyJ", _WORD + "+/=", 100),
    ("age key", "AGE-SECRET-KEY-1", "A-Z0-9", 50),
    ("Sentry token", "sntrys_ sntryu_", _WORD + "+/=", 40),
    ("Groq key", "gsk_", _LETTERS, 40),
    ("NVIDIA key", "nvapi-", _WORD, 40),
    ("LangSmith key", "lsv2_pt_ lsv2_sk_", _LETTERS + "_", 32),
    ("Kaggle token", "KGAT_", _LETTERS, 30),
    ("Perplexity key", "pplx-", _LETTERS, 40),
    ("Tailscale key", "tskey-", _WORD, 20),
    ("Atlassian token", "ATATT3 ATCTT3", _WORD + "=", 50),
    ("New Relic key", "NRAK- NRII-", _WORD, 24),
    ("Square token", "sq0atp- sq0csp-", _WORD, 22),
    ("Linear key", "lin_api_", _LETTERS, 40),
    ("Notion token", "ntn_", _LETTERS, 40),
    ("Postman key", "PMAK-", _HEX_DIGITS + "-", 50),
    ("PlanetScale token", "pscale_tkn_ pscale_oauth_ pscale_pw_", _WORD + ".=", 32),
    ("Doppler token", "dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit.", _LETTERS + ".", 40),
    ("Prefect key", "pnu_ pnb_", _LETTERS, 36),
    ("CircleCI token", "CCIPAT_ CCIPRJ_", _WORD, 30),
    ("Contentful token", "CFPAT-", _WORD, 40),
    ("Dynatrace token", "dt0c01. dt0s01. dt0s16.", _LETTERS + ".", 60),
    ("Netlify token", "nfp_", _LETTERS, 36),
    ("Shippo token", "shippo_live_ shippo_test_", _HEX_DIGITS, 40),
    ("Duffel token", "duffel_live_ duffel_test_", _WORD + "=", 40),
    ("Supabase key", "sbp_", _HEX_DIGITS, 40),
    ("Supabase key", "sb_secret_", _WORD, 30),
    ("Heroku key", "HRKU-", _WORD, 36),
    ("OpenShift token", "sha256~", _WORD, 43),
    ("Clojars token", "CLOJARS_", _LETTERS, 60),
    ("ReadMe key", "rdme_", _LETTERS, 70),
)

# Prefixes that could also be the end of a longer word (disk-…, task_…): they only count where no
# such word can be, see :mod:`mlrepo.secret_patterns`.
WORDLIKE_TOKENS: tuple[tuple[str, str, str, int], ...] = (
    ("AWS access key", "AKIA ASIA ABIA ACCA", "A-Z0-9", 16),
    ("Amazon Bedrock key", "ABSK", _LETTERS + "+/=", 100),
    ("Hugging Face token", "hf_ api_org_", _LETTERS, 30),
    ("OpenAI key", "sk-", _WORD, 20),
    ("Stripe key", "sk_live_ sk_test_ sk_prod_ rk_live_ rk_test_ rk_prod_ whsec_", _LETTERS, 16),
    ("Vault token", "hvs. hvb. hvr.", _WORD, 24),
    ("Databricks token", "dapi", _HEX_DIGITS, 32),
    ("SendGrid key", "SG.", _WORD + ".", 60),
    ("Twilio key", "SK", "a-f0-9", 32),
    ("Pulumi token", "pul-", _HEX_DIGITS, 40),
    ("Mailgun key", "key-", "a-f0-9", 32),
    ("xAI key", "xai-", _LETTERS, 60),
    ("Replicate token", "r8_", _LETTERS, 37),
    ("Alibaba access key", "LTAI", _LETTERS, 20),
    ("Tencent access key", "AKID", _LETTERS, 32),
    ("Bitbucket password", "ATBB", _LETTERS, 32),
    ("Artifactory key", "AKCp cmVmdGtu", _LETTERS, 50),
    ("Infracost key", "ico-", _LETTERS, 32),
    ("Mapbox token", "sk.eyJ", _WORD + ".", 50),
    ("EasyPost key", "EZAK EZTK", _LETTERS, 54),
    ("crates.io token", "cio", _LETTERS, 32),
    ("NuGet key", "oy2", "a-z0-9", 43),
    ("Figma token", "figd_ figu_", _WORD, 36),
    ("Fly.io token", "fo1_ fm1r_ fm1a_ fm2_", _WORD + "+/=", 40),
    ("Adobe secret", "p8e-", _LETTERS, 32),
)

_URL = "credentials in a URL"

# Credentials recognized by context: by bytes that are part of a long word, and by other bytes.
_CONTEXT_WORDS: dict[str, tuple[bytes, ...]] = {
    "JSON web token": (b"eyJ",),
    "private key": (b"PuTTY-User-Key-File",),
    "Azure key": (b"SharedAccessKey", b"Q~"),
    "AWS secret key": (b"ecret_access_key", b"ecretAccessKey", b"ECRET_ACCESS_KEY"),
    "webhook": (b"hooks.slack.com", b"webhook.office.com"),
}
_CONTEXTS: dict[str, tuple[bytes, ...]] = {
    "private key": (b"PRIVATE KEY",),
    _URL: (b"://",),
    "authorization header": (b"uthorization", b"UTHORIZATION"),
    "Azure key": (b"AccountKey", b"sig="),
    "registry login": (b'"auth"', b"_auth"),
    "login in .netrc": (b"password",),
    "Kaggle key": (b'"username"', b"KAGGLE_KEY"),
    "Weights & Biases key": (b"WANDB_API_KEY",),
    "webhook": (b"/api/webhooks/",),
    "Telegram token": (b":AA",),
}


def _anchors_in_words() -> dict[str, tuple[tuple[bytes, bool], ...]]:
    """Return the anchors of each kind, and whether each contains a character that joins words."""
    found = dict(_CONTEXT_WORDS)
    for kind, prefixes, *_ in TOKENS + WORDLIKE_TOKENS:
        found[kind] = found.get(kind, ()) + tuple(prefixes.encode().split())
    return {
        kind: tuple((anchor, any(joint in b"_-." for joint in anchor)) for anchor in anchors)
        for kind, anchors in found.items()
    }


_IN_WORDS = _anchors_in_words()
# The keys of :data:`mlrepo.secret_patterns.SECRET_PATTERNS`.
KINDS = tuple(dict.fromkeys((*_IN_WORDS, *_CONTEXTS)))

# Every token is part of a run of these characters, at least as long as the shortest token.
_RUN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.~"
_SHORTEST_RUN = b"a" * 15
_RUNS = bytes(ord("a") if byte in _RUN else ord(" ") for byte in range(256))
_HEX = b"0123456789abcdefABCDEF"


def views(data: bytes) -> tuple[bytes, ...]:
    """Return the bytes and their different readings (:data:`READINGS`)."""
    return tuple(dict.fromkeys(reading(data) for reading in READINGS))


def _as_they_are(data: bytes) -> bytes:
    return data


def _without_nuls(data: bytes) -> bytes:
    """Read text in UTF-16 and UTF-32.

    This works for either byte order, with or without a byte order mark, and for text appended to a
    file in another encoding.
    """
    return data.replace(b"\0", b"") if b"\0" in data else data


def _without_colours(data: bytes) -> bytes:
    """Remove terminal escapes: `grep --color` writes them into the middle of a token."""
    text = _without_nuls(data)
    if b"\x1b" not in text:
        return text
    import re  # few files need it

    return re.sub(rb"\x1b(?:\[[0-?]{0,64}[ -/]{0,4}[@-~]|[()][0-9A-Z])", b"", text)


READINGS = (_as_they_are, _without_nuls, _without_colours)


def possible_kinds(data: bytes, among: Collection[str] = KINDS) -> list[str]:
    """Return the kinds of credentials whose patterns are worth trying on one of the views."""
    if not among:
        return []
    found = {kind for view in views(data) for kind in _possible(view, among)}
    return [kind for kind in KINDS if kind in found]


def _possible(data: bytes, among: Collection[str]) -> list[str]:
    kinds = []
    in_words = [kind for kind in among if kind in _IN_WORDS]
    if in_words:
        # A hundred searches of all the data would be slow. Searching its distinct long words,
        # without digests and hexadecimal answers, takes hardly any time.
        words = [word for word in _long_words(data) if word.strip(_HEX)]
        every = b"\n".join(words)
        compound = b"\n".join([w for w in words if b"_" in w or b"-" in w or b"." in w])
        kinds += [
            kind
            for kind in in_words
            for anchor, is_compound in _IN_WORDS[kind]
            if anchor in (compound if is_compound else every)
        ]
    for kind in among:
        for anchor in _CONTEXTS.get(kind, ()):
            if anchor in data and (kind != _URL or _names_a_user(data)):
                kinds.append(kind)
    return kinds


def _long_words(data: bytes) -> set[bytes]:
    shape = data.translate(_RUNS)
    words = set()
    start = shape.find(_SHORTEST_RUN)
    while start >= 0:
        end = shape.find(b" ", start)
        end = len(data) if end < 0 else end
        words.add(data[start:end])
        start = shape.find(_SHORTEST_RUN, end)
    return words


def _names_a_user(data: bytes) -> bool:
    """Return whether an "@" may be in the authority of a URL: before its first slash."""
    return any(b"@" in rest.partition(b"/")[0] for rest in data.split(b"://")[1:])
