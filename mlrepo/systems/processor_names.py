"""Whether two names can be of one processor or accelerator, as makers, kernels and people write it.

A name says a maker (also through a product line, such as Xeon), an architecture, and model numbers.
Two names contradict each other if any of these do; words that one of them leaves out prove nothing.
A hypervisor may hide the model ("Intel Xeon Processor"), and an Arm kernel knows only the design of
the cores ("Neoverse-N1"), not the product ("Ampere Altra Q80-30"). Where the model is hidden, the
instruction sets may still show that the processor is newer than the named one.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

X86, ARM = "x86", "Arm"
# Product lines: the maker, and the architecture.
_CORE = ("i3", "i5", "i7", "i9")
_LINES = {
    **dict.fromkeys(("xeon", "pentium", "celeron", "atom", *_CORE), ("intel", X86)),
    **dict.fromkeys(("epyc", "ryzen", "threadripper", "opteron", "athlon"), ("amd", X86)),
    **dict.fromkeys(("grace", "carmel", "xavier", "orin", "thor", "denver"), ("nvidia", ARM)),
    **dict.fromkeys(("altra", "ampereone"), ("ampere", ARM)),
    **dict.fromkeys(("snapdragon", "kryo", "oryon"), ("qualcomm", ARM)),
    "graviton": ("amazon", ARM),
    "kunpeng": ("hisilicon", ARM),
    "a64fx": ("fujitsu", ARM),
}
_MAKERS = frozenset({maker for maker, _ in _LINES.values()}) | {
    "apple",
    "broadcom",
    "centaur",
    "fujitsu",
    "hygon",
    "ibm",
    "mediatek",
    "zhaoxin",
}
# Designs of cores that many makers use.
_DESIGNS = frozenset({"cortex", "neoverse"})
_TIERS = frozenset({"platinum", "gold", "silver", "bronze"})
# Names by which emulators hide the processor.
_HIDDEN = frozenset({"qemu", "kvm", "virtual"})
# Forms of accelerators; NVIDIA numbers that of a socket: SXM4.
_FORMS = frozenset({"sxm", "pcie"})
_SOCKET = re.compile(r"\bsxm\d")
# Not model numbers: clocks, watts, counts, sizes, generations, architectures.
_NO_MODEL = re.compile(
    r"\d{1,2}x|\d+(?:\.\d+)?(?:[gm]hz|w|g|gb|gib|t|tb|st|nd|rd|th|core|cores)"
    r"|x86|x64|amd64|aarch64|arm64|armv\d|v\d\.\d|mp\d+|hbm\d?\w?|gddr\w+|sxm\d?|64"
)
# What came with a later generation, as Linux calls it; a hypervisor can hide it, but not invent it.
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_vnni", "avx512_vbmi2", "amx_tile", "avx_vnni")
# Model numbers (Intel's Xeon E5 and E7 and Scalable, AMD's EPYC) and the sets of later ones.
_BEFORE = (
    ("xeon", re.compile(r"\be[57]-\d{4}(?! ?v[34])"), ("avx2", "avx512f")),
    ("xeon", re.compile(r"\be[57]-\d{4} ?v[34]"), ("avx512f",)),
    (
        "xeon",
        re.compile(r"\b[3-8]1\d\d[a-z]{0,3}\b"),
        ("avx512_vnni", "avx512_vbmi2", "amx_tile"),
    ),
    ("xeon", re.compile(r"\b[3-9]2\d\d[a-z]{0,3}\b"), ("avx512_vbmi2", "amx_tile")),
    ("xeon", re.compile(r"\b[3-8]3\d\d[a-z]{0,3}\b"), ("amx_tile",)),
    ("epyc", re.compile(r"\b7[\da-z]\d[123][a-z]{0,2}\b"), ("avx512f", "avx_vnni")),
    ("epyc", re.compile(r"\b[89]\d\d4[a-z]{0,2}\b"), ("avx_vnni",)),
)
_CLOCK = re.compile(r"@.*")
_COUNT = re.compile(r"(?<![a-z0-9])\d{1,3} ?x ?(?=[a-z])|(?<!\d)\d{1,4}-cores?(?![a-z])")
_WORD = re.compile(r"[a-z0-9]+(?:\.\d+)?")


@dataclass(frozen=True)
class _Name:
    """What a name says, in lower case."""

    words: frozenset[str]

    @classmethod
    def of(cls, text: str) -> _Name:
        plain = _COUNT.sub("", _CLOCK.sub("", text.casefold().replace("(r)", " ")))
        return cls(frozenset(_WORD.findall(_SOCKET.sub("sxm", plain.replace("(tm)", " ")))))

    @property
    def makers(self) -> frozenset[str]:
        return self.words & _MAKERS | {_LINES[word][0] for word in self.words & _LINES.keys()}

    @property
    def lines(self) -> frozenset[str]:
        found = self.words & _LINES.keys()
        return frozenset("core" if word in _CORE else word for word in found)

    @property
    def architectures(self) -> frozenset[str]:
        found = {_LINES[word][1] for word in self.words & _LINES.keys()}
        return frozenset(found | ({ARM} if self.words & _DESIGNS else set()))

    @property
    def is_design(self) -> bool:
        return bool(self.words & _DESIGNS)

    @property
    def models(self) -> frozenset[str]:
        return frozenset(
            word
            for word in self.words
            if any(char.isdecimal() for char in word) and not _NO_MODEL.fullmatch(word)
        )


def can_be_one(written: str, detected: str) -> bool:
    """Return whether two names can be of the same device; a name that is hidden can be any."""
    ours, theirs = _Name.of(written), _Name.of(detected)
    if theirs.words & _HIDDEN:
        return True
    for own, found in (
        (ours.architectures, theirs.architectures),
        (ours.makers, theirs.makers),
        (ours.lines, theirs.lines),
    ):
        if own and found and not own & found:
            return False
    if ours.is_design != theirs.is_design:
        return True  # the product and the design of its cores
    if ours.models and theirs.models:
        # One may have further numbers; if both have, they are different ones.
        return not (ours.models - theirs.models and theirs.models - ours.models) and _agree(
            ours, theirs, _FORMS
        )
    if not ours.models and not theirs.models:
        return bool(ours.words & theirs.words) and _agree(ours, theirs, _TIERS)
    return theirs.makers <= ours.makers and _agree(ours, theirs, _TIERS)


def too_new_for(written: str, sets: Collection[str]) -> str:
    """Return an instruction set that the named processor is too old for; '' for none."""
    name = written.casefold()
    later = (
        each
        for line, pattern, newer in _BEFORE
        if line in name and pattern.search(name)
        for each in newer
    )
    return next((each for each in later if each in sets), "")


def hides_model(written: str, detected: str) -> bool:
    """Return whether a name with a model number was compared with one that has none."""
    ours, theirs = _Name.of(written), _Name.of(detected)
    return bool(theirs.words & _HIDDEN) or bool(
        ours.models and not theirs.models and not theirs.is_design
    )


def _agree(ours: _Name, theirs: _Name, kinds: frozenset[str]) -> bool:
    own, found = ours.words & kinds, theirs.words & kinds
    return not own or not found or bool(own & found)
