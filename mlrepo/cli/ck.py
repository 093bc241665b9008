"""Translation of what the CK automation of 2021 was typed with."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mlrepo.errors import UserError
from mlrepo.plugins import BACKENDS, plugin_names
from mlrepo.predecessor import (
    COMMANDS,
    FLAGS,
    REFERENCE_OPTIONS,
    VARIABLES,
    Handling,
    Line,
    Word,
)
from mlrepo.shell import shell_command

_SEE = "`mlrepo from-ck` lists what each flag and variable of CK is here."
_BENCHMARK = ("--model", "--benchmark")
_ENV = "--env."
_PLACE = re.compile(r"\b[A-Z][A-Z_]*\b")


@dataclass
class Translated:
    """Words for ``mlrepo bench``, and what was done to get them, for people."""

    words: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def translated(words: Sequence[str], own: Collection[str]) -> Translated:
    """Return the words with CK's flags replaced by the options that they mean.

    Parameters
    ----------
    own:
        The command's options: what CK calls the same remains as typed.

    Raises
    ------
    UserError
        A flag has no equivalent option; the message says what to type.
    """
    done = Translated()
    left = list(words)
    while left:
        typed = left.pop(0)
        flag, equals, value = typed.partition("=")
        if typed == "--":
            done.words += [typed, *left]
            break
        word = _word_of(flag, value)
        if flag in _BENCHMARK and (equals or left):
            _benchmark(done, flag, value if equals else left.pop(0), typed=equals)
        elif word is None or (word.treatment is Handling.TAKEN and flag in own):
            done.words.append(typed)
        elif word.treatment is Handling.SWITCH and word.here in own and not equals:
            done.words.append(word.here)
        else:
            if not equals and _takes_value(word, left):
                value = left.pop(0)
            _translate(done, Typed(typed, value, words), word)
    return done


@dataclass(frozen=True)
class Typed:
    """A flag as typed, its value, and the whole command."""

    text: str
    value: str
    words: Sequence[str]


def _word_of(flag: str, value: str) -> Word | None:
    """Return what the table says of a flag; of ``--env.NAME``, what it says of the variable."""
    if flag.startswith(_ENV):
        name = flag.removeprefix(_ENV)
        known = next((word for word in VARIABLES if word.there == name), None)
        instead = f"{name}={value or 'VALUE'} mlrepo bench …"
        return known or Word(flag, Handling.ANSWERED, instead, "set it for the command")
    exact = [word for word in FLAGS if word.there in (flag, f"{flag}={value}")]
    begins = [w for w in FLAGS if w.there.endswith(".") and flag.startswith(w.there)]
    return next(iter(sorted(exact, key=_length, reverse=True)), next(iter(begins), None))


def _length(word: Word) -> int:
    return len(word.there)


def _takes_value(word: Word, left: Sequence[str]) -> bool:
    takes = word.treatment not in (Handling.SWITCH, Handling.NEEDLESS)
    return takes and bool(left) and not left[0].startswith("-")


def _benchmark(done: Translated, flag: str, value: str, *, typed: str) -> None:
    """Add the benchmark; ``NAME/VARIANT`` is how `mlrepo model list` writes a model."""
    name, slash, variant = value.partition("/")
    if slash and name and variant:
        more = ["--benchmark", name, "--model-variant", variant]
        done.words += more
        done.remarks.append(f"{flag} {value} is taken as {shell_command(more)}.")
    else:
        done.words += [f"{flag}={value}"] if typed else [flag, value]


def _translate(done: Translated, typed: Typed, word: Word) -> None:
    more = list(_options(typed, word))
    done.words += more
    if more:
        done.remarks.append(f"{_shown(typed.text)} is taken as {shell_command(more)}.")
    else:
        why = f": {word.note}" if word.note else ""
        done.remarks.append(f"{_shown(typed.text)} is not needed{why}.")


def _shown(text: str) -> str:
    return shell_command([text])


def _options(typed: Typed, word: Word) -> Iterator[str]:
    value = typed.value
    match word.treatment:
        case Handling.TAKEN if value:
            yield from (word.here, value) if " " not in word.here else word.here.split()
        case Handling.SWITCH if value.lower() in ("", "yes", "no", "true", "false", "1", "0"):
            if value.lower() not in ("no", "false", "0"):
                yield word.here
        case Handling.LIST:
            for one in filter(None, value.split(",")):
                yield from (word.here, one)
        case Handling.PAIRS:
            for one in filter(None, value.split(";")):
                yield from (word.here, one)
        case Handling.OPTIONS:
            yield from _reference_options(value)
        case Handling.NEEDLESS:
            return
        case _:
            raise _answer(typed, word)


def _answer(typed: Typed, word: Word) -> UserError:
    why = f" ({word.note})" if word.note else ""
    if word.treatment is not Handling.ANSWERED:
        return UserError(f"{_shown(typed.text)} needs a value.", hint=_SEE)
    here = word.here.replace("BACKEND", _backend(typed.words))
    return UserError(f"{_shown(typed.text)} is CK's; here: {here}{why}.", hint=_SEE)


def _backend(words: Sequence[str]) -> str:
    """Return the backend that a command names, perhaps in the program's name, else the default."""
    text = " ".join(words)
    named = re.search(r"--(?:framework|backend)[= ]([^ ]+)", text)
    if named:
        return named[1]
    # Such as program:mlperf-inference-bench-image-classification-tvm-onnx-cpu.
    found = (name for name in plugin_names(BACKENDS) if f"-{name}-" in text)
    return max(found, key=len, default="onnx")


def _reference_options(text: str) -> Iterator[str]:
    """Yield the options for those of the reference implementation, as in EXTRA_OPS.

    Raises
    ------
    UserError
        One has no equivalent, or a quote is not closed.
    """
    try:
        left = shlex.split(text)
    except ValueError as error:
        raise UserError(f"{text!r} cannot be read: {error}.", hint="Close the quote.") from error
    while left:
        typed = left.pop(0)
        flag, equals, value = typed.partition("=")
        name = flag.removeprefix("--")
        here = REFERENCE_OPTIONS.get(name) if flag.startswith("--") else None
        if here is None:
            word = _word_of(f"--loadgen.{name}", "")
            assert word is not None
            raise _answer(Typed(typed, "", ()), word)
        if not equals and not left:
            raise UserError(f"{typed} needs a value.", hint=_SEE)
        yield from (here, value if equals else left.pop(0))


def todays_lines(words: Sequence[str], own: Collection[str]) -> Iterator[str]:
    """Yield the line to type instead of a command of CK, and before it comments.

    ``own`` are the options of ``mlrepo bench run``.

    Raises
    ------
    UserError
        The table has no such command, or one of its flags has no equivalent.
    """
    line = _line_of(words)
    if line is None:
        raise UserError(
            f"There is nothing like `{shell_command(words)}` in the table.",
            hint="`mlrepo from-ck` prints it; `mlrepo help` lists the commands.",
        )
    places = _places(line.there, words)
    command = _filled(line.here, places)
    if "BACKEND" in command.split():
        command = command.replace("BACKEND", _backend(words))
    flags = [word for word in words if word.startswith("--") and not _is_about(line, word)]
    if line.here == "mlrepo bench run":
        found = translated(flags, own)
        command = f"{command} {shell_command(found.words)}".strip()
        yield from (f"# {remark}" for remark in found.remarks)
    else:
        yield from (f"# {shell_command([flag])} has no equivalent" for flag in flags)
    if line.note:
        yield f"# {line.note}"
    yield command


def _line_of(words: Sequence[str]) -> Line | None:
    fitting = [line for line in COMMANDS if _places(line.there, words) is not None]
    return max(fitting, key=_literal_length, default=None)


def _literal_length(line: Line) -> int:
    """Return how much of a pattern must be typed as it is."""
    required = (part for part in line.there.split() if not part.startswith("["))
    return sum(len(_PLACE.sub("", part)) for part in required)


def _is_about(line: Line, flag: str) -> bool:
    name = flag.partition("=")[0]
    return any(one.strip("[]").partition("=")[0] == name for one in line.there.split())


def _places(there: str, words: Sequence[str]) -> Mapping[str, str] | None:
    """Return the words for the capitals of a pattern; None if the command does not fit it."""
    plain = [word for word in words if not word.startswith("-")]
    flags = dict(word.partition("=")[::2] for word in words if word.startswith("-"))
    found: dict[str, str] = {}
    for part in there.split():
        optional, part = part.startswith("["), part.strip("[]")
        if not part.startswith("-"):
            if not plain or not _fits(part, plain.pop(0), found):
                return None
            continue
        name, _, wanted = part.partition("=")
        value = flags.get(name)
        if _PLACE.fullmatch(wanted):
            found |= {wanted: value} if value else {}
            fits = optional or bool(value)
        elif name == "--tags":
            fits = set(wanted.split(",")) <= set((value or "").split(","))
        else:
            fits = value == wanted
        if not fits:
            return None
    return found


def _fits(wanted: str, typed: str, found: dict[str, str]) -> bool:
    """Say whether a word fits one of a pattern; CK's are ``repository:module:entry``."""
    head, _, place = wanted.rpartition(":")
    is_place = bool(_PLACE.fullmatch(place))
    module, _, entry = typed.rpartition(":")
    module = module.rpartition(":")[2]
    if is_place:
        found[place] = entry
        return bool(entry) and head in ("", module)
    return wanted in (typed, module)


def _filled(here: str, places: Mapping[str, str] | None) -> str:
    known = {name: shell_command([value]) for name, value in (places or {}).items()}

    def fill(text: str) -> str:
        return _PLACE.sub(lambda match: known.get(match[0], match[0]), text)

    def optional(match: re.Match[str]) -> str:
        return fill(match[1]) if set(_PLACE.findall(match[1])) <= known.keys() else ""

    return " ".join(fill(re.sub(r"\[([^][]*)\]", optional, here)).split())
