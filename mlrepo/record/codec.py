"""Convert dataclasses to JSON objects and back, by their fields alone.

Each part of a record is a frozen dataclass below :class:`Facts`; its fields are its JSON keys.
There is no second table: the reader, the writer and the list of uses follow from the field types.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import (
    Annotated,
    ClassVar,
    NamedTuple,
    Self,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from mlrepo.record.forms import Converted, Form, Mark, Use, count, flag, number, text, whole

# The maximum number of problems reported for one object.
_MOST_NAMED = 3

_Reader = Callable[[object], object]
_Writer = Callable[[object], object]


class MalformedError(ValueError):
    """Malformed values, as pairs of a dotted name ('' for the whole) and the reason."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__("; ".join(f"{name} {why}".strip() for name, why in problems))
        self.problems = problems

    def below(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield the problems with their names prefixed by ``name``."""
        for own, why in self.problems:
            yield (f"{name}.{own}" if own else name), why


@dataclass(frozen=True)
class Facts:
    """One JSON object of a record: keys are the names of fields.

    A field of type :data:`mlrepo.record.forms.Others` holds the keys that have no field of their
    own; without it they are ignored, so that records of a later minor version can be read. An
    absent key means the field's default.
    """

    # None is left out of the JSON.
    sparse: ClassVar[bool] = False
    # Null means the default of a field that cannot be None.
    lenient: ClassVar[bool] = True

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object; a non-finite number becomes None, since JSON has none."""
        codec = _codec(type(self))
        written: dict[str, object] = {}
        for name, field in codec.fields.items():
            value = getattr(self, name)
            if value is not None:
                written[name] = field.write(value)
            elif not self.sparse:
                written[name] = None
        if codec.others:
            further = cast(dict[str, object], finite(getattr(self, codec.others)))
            written |= {key: value for key, value in further.items() if key not in codec.fields}
        return written

    @classmethod
    def from_dict(cls, raw: object) -> Self:
        """Return the dataclass from a JSON object.

        Raises
        ------
        MalformedError
            It is not an object, a key without a default is absent, or a value is malformed.
        """
        values, wrong = _read(cls, raw)
        if wrong:
            raise MalformedError(*wrong[:_MOST_NAMED])
        return cls(**values)

    @classmethod
    def well_formed(cls, raw: Mapping[str, object]) -> Self:
        """Return the dataclass from a third party's object, without malformed values."""
        return cls(**_read(cls, dict(raw))[0])


class _Field(NamedTuple):
    read: _Reader
    write: _Writer
    none: bool  # None is one of its values
    default: bool
    required: bool


class _PartOf(NamedTuple):
    """The dataclass of a field, of the items of its list, or of the values of its table."""

    cls: type[Facts]
    several: bool


class _Codec(NamedTuple):
    """The fields of a dataclass by name, which of them takes all other keys, and those of parts."""

    fields: Mapping[str, _Field]
    others: str
    parts: Mapping[str, _PartOf]


def _read(cls: type[Facts], raw: object) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """Return the values of well-formed fields, and the problems of others."""
    if not isinstance(raw, dict):
        return {}, [("", "is not an object")]
    values: dict[str, object] = {}
    wrong: list[tuple[str, str]] = []
    codec = _codec(cls)
    for name, field in codec.fields.items():
        value = raw.get(name)
        if value is None and (name not in raw or not field.none):
            if field.required or not field.default or (name in raw and not cls.lenient):
                wrong.append((name, "is missing"))
            continue
        try:
            values[name] = None if value is None else field.read(value)
        except MalformedError as error:
            wrong += error.below(name)
    if codec.others:
        values[codec.others] = {k: value for k, value in raw.items() if k not in codec.fields}
    return values, wrong


_CODECS: dict[type, _Codec] = {}


def _codec(cls: type[Facts]) -> _Codec:
    found = _CODECS.get(cls)
    if found is None:
        found = _CODECS[cls] = _new_codec(cls)
    return found


def _new_codec(cls: type[Facts]) -> _Codec:
    known: dict[str, _Field] = {}
    others = ""
    hints = get_type_hints(cls, include_extras=True)
    for field in fields(cls):
        hint = hints[field.name]
        marks, options = _parts(hint)
        if Mark.OTHERS in marks:
            others = field.name
            continue
        known[field.name] = _Field(
            _reader(hint),
            _writer(hint),
            type(None) in options,
            field.default is not MISSING or field.default_factory is not MISSING,
            Mark.REQUIRED in marks,
        )
    parts = {name: part for name in known if (part := _part(hints[name])) is not None}
    return _Codec(known, others, parts)


def _part(hint: object) -> _PartOf | None:
    """Return the dataclass in a field whose keys are those of its fields; None if it has none."""
    if _converted(_parts(hint)[0]):
        return None
    base, several = _base(hint), False
    if get_origin(base) is not None:
        arguments = get_args(base)
        base, several = _base(arguments[0 if get_origin(base) is tuple else 1]), True
    if not _is_facts(base):
        return None
    cls = cast(type[Facts], base)
    reads_itself = cls.from_dict.__func__ is not Facts.from_dict.__func__  # type: ignore[attr-defined]
    return None if reads_itself else _PartOf(cls, several)


def unknown_keys(cls: type[Facts], raw: object, above: str = "") -> Iterator[str]:
    """Yield the dotted names of the keys of a JSON object that :meth:`Facts.from_dict` ignores."""
    if not isinstance(raw, dict):
        return
    codec = _codec(cls)
    if not codec.others:
        yield from (f"{above}{key}" for key in raw if key not in codec.fields)
    for name, (part, several) in codec.parts.items():
        value = raw.get(name)
        if not several:
            yield from unknown_keys(part, value, f"{above}{name}.")
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from unknown_keys(part, item, f"{above}{name}.{key}.")
        elif isinstance(value, list):
            for item in value:
                yield from unknown_keys(part, item, f"{above}{name}.")


def _parts(hint: object) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """Return the marks of a type, including those of an optional type, and its union members."""
    marks: tuple[object, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *own = get_args(hint)
        marks += tuple(own)
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for option in options:
        if len(options) > 1 and option is not type(None):
            marks += _parts(option)[0]
    return marks, options


def _base(hint: object) -> object:
    """Return a type without its marks and without None; for a type variable its bound."""
    if isinstance(hint, TypeVar):
        return _base(hint.__bound__)
    if _is_facts(get_origin(hint)):
        return get_origin(hint)
    if get_origin(hint) is Annotated:
        return _base(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return _base(next(one for one in get_args(hint) if one is not type(None)))
    return hint


def _is_facts(base: object) -> bool:
    return isinstance(base, type) and issubclass(base, Facts)


_LEAVES = {str: text, int: count, float: number, bool: flag}


def _reader(hint: object) -> _Reader:
    marks, _ = _parts(hint)
    base = _base(hint)
    converted = _converted(marks)
    if converted:
        return _converting(converted.read)
    if Mark.SAID in marks:
        return said_text
    if base is object:
        return lambda value: value
    if base is Path:
        return _path
    if _is_facts(base):
        return cast(type[Facts], base).from_dict
    if get_origin(base) is tuple:
        return _list_reader(get_args(base)[0])
    if get_origin(base) is not None:
        return _table_reader(get_args(base)[1])
    checks = (
        whole if Mark.SIGNED in marks else _LEAVES[cast(type, base)],
        *(mark.problem for mark in marks if isinstance(mark, Form)),
    )

    def leaf(value: object) -> object:
        for problem in checks:
            why = problem(value)
            if why:
                raise MalformedError(("", why))
        return value

    return leaf


def _converted(marks: tuple[object, ...]) -> Converted | None:
    return next((mark for mark in marks if isinstance(mark, Converted)), None)


def _converting(read: _Reader) -> _Reader:
    def convert(value: object) -> object:
        try:
            return read(value)
        except ValueError as error:
            raise MalformedError(("", f"cannot be read: {error}")) from error

    return convert


def _path(value: object) -> object:
    if why := text(value):
        raise MalformedError(("", why))
    return Path(str(value))


def _list_reader(item: object) -> _Reader:
    read = _reader(item)

    def several(value: object) -> object:
        if not isinstance(value, list):
            raise MalformedError(("", "is not a list"))
        try:
            return tuple(map(read, value))
        except MalformedError as error:
            raise MalformedError(("", f"has something that {error}")) from error

    return several


def _table_reader(item: object) -> _Reader:
    read, none = _reader(item), type(None) in _parts(item)[1] or item is object

    def table(value: object) -> object:
        if not isinstance(value, dict):
            raise MalformedError(("", "is not an object"))
        found: dict[str, object] = {}
        wrong: list[tuple[str, str]] = []
        for key, each in value.items():
            if each is None and not none:
                wrong.append((key, "is missing"))
                continue
            try:
                found[key] = None if each is None else read(each)
            except MalformedError as error:
                wrong += error.below(key)
        if wrong:
            raise MalformedError(*wrong)
        return found

    return table


def _writer(hint: object) -> _Writer:
    base = _base(hint)
    converted = _converted(_parts(hint)[0])
    if converted:
        return converted.write
    if base in (object, float):
        return finite
    if base is Path:
        return str
    if _is_facts(base):
        return lambda value: cast(Facts, value).to_dict()
    if get_origin(base) is tuple:
        one = _writer(get_args(base)[0])
        return lambda value: [one(item) for item in cast(tuple[object, ...], value)]
    if get_origin(base) is not None:
        each = _writer(get_args(base)[1])
        return lambda value: {
            key: None if item is None else each(item)
            for key, item in cast(Mapping[str, object], value).items()
        }
    return lambda value: value


def said_text(value: object) -> str:
    """Return a third party's value as text: null is '', and other values become their JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def finite(value: object) -> object:
    """Return a JSON value with non-finite numbers replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def uses(cls: type[Facts], above: str = "") -> Iterator[tuple[str, Use]]:
    """Yield every field of a dataclass and its parts by dotted name, with its use.

    ``*`` stands for any key.
    """
    hints = get_type_hints(cls, include_extras=True)
    for field in fields(cls):
        others = Mark.OTHERS in _parts(hints[field.name])[0]
        yield from _uses(f"{above}{'*' if others else field.name}", hints[field.name])


def _uses(name: str, hint: object) -> Iterator[tuple[str, Use]]:
    base = _base(hint)
    yield name, next((mark for mark in _parts(hint)[0] if isinstance(mark, Use)), Use.SHOWN)
    if _is_facts(base):
        yield from uses(cast(type[Facts], base), f"{name}.")
    elif get_origin(base) is not None and get_origin(base) is not tuple and not name.endswith("*"):
        yield from _uses(f"{name}.*", get_args(base)[1])
