"""A plan of a sweep in a file: TOML whose keys are the options of ``mlrepo bench sweep``.

It becomes words of the command line, so that a file and typed options mean the same and the record
does not depend on a file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import click

from mlrepo.errors import UserError

# A plan of a thousand lines has 50 KB.
_LARGEST = 1 << 18
_HINT = "The keys are options without dashes, and a list is an axis: threads = [1, 2, 4]."


def words_of_file(
    path: Path, params: Sequence[click.Parameter], typed: Collection[str]
) -> list[str]:
    """Return the words that say what a file says.

    Parameters
    ----------
    params:
        The options that a file may set.
    typed:
        The names of parameters that were typed: they replace what the file says.

    Raises
    ------
    UserError
        The file cannot be read, is not TOML, or says something that no option means.
    """
    options = {
        opt.removeprefix("--"): param
        for param in params
        if isinstance(param, click.Option)
        for opt in param.opts
        if opt.startswith("--")
    }
    found: list[str] = []
    for key, value in _read(path).items():
        param = options.get(key)
        if param is None:
            from mlrepo.nearest import meant

            raise UserError(
                f"{path}: there is no option {key!r}. {meant(key, options)}".rstrip(), hint=_HINT
            )
        if param.name not in typed:
            found += _words(f"{path}: {key}", key, param, value)
    return found


def _read(path: Path) -> dict[str, Any]:
    from mlrepo.bounded import parse_toml

    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}.",
            hint="Name the file of a plan, or type its options: `mlrepo help bench sweep`.",
        ) from error
    try:
        return parse_toml(data.decode("utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not a plan: {error}.", hint=_HINT) from error


def _words(where: str, key: str, param: click.Option, value: object) -> Iterator[str]:
    if param.is_flag:
        if not isinstance(value, bool):
            raise UserError(f"{where} must be true or false, not {value!r}.", hint=_HINT)
        yield from [f"--{key}"] if value else []
        return
    for text in _texts(where, param, value):
        yield from (f"--{key}", text)


def _texts(where: str, param: click.Option, value: object) -> Iterator[str]:
    if param.name == "exclude":
        yield from _excluded(where, value)
    elif isinstance(value, Mapping):
        if not (param.metavar or "").startswith(("KEY=", "NAME=")):
            raise UserError(f"{where} has keys of its own, and takes values only.", hint=_HINT)
        for key, one in value.items():
            yield from (f"{key}={text}" for text in _list(f"{where}.{key}", one))
    else:
        texts = _list(where, value)
        if not param.multiple and len(texts) != 1:
            raise UserError(f"{where} takes one value.", hint=_HINT)
        yield from texts


def _list(where: str, value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise UserError(
            f"{where} is an empty list: an axis has a value.",
            hint="Leave the key out for the option's default.",
        )
    return [_text(where, one) for one in values]


def _text(where: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | str):
        return str(value)
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else repr(value)
    raise UserError(f"{where} must be texts or numbers, not {value!r}.", hint=_HINT)


def _excluded(where: str, value: object) -> Iterator[str]:
    """Yield what a list of tables leaves out; a list in a table is any of its values."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str):
            yield one
            continue
        if not isinstance(one, Mapping) or not one:
            raise UserError(
                f"{where} must be a list of tables.",
                hint='Write [[exclude]] with keys such as backend = "onnx" below it.',
            )
        pairs = list(_flat(where, one, ""))
        for values in product(*(texts for _, texts in pairs)):
            yield ",".join(f"{pair[0]}={text}" for pair, text in zip(pairs, values, strict=True))


def _flat(where: str, table: Mapping[str, object], above: str) -> Iterator[tuple[str, list[str]]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(where, value, f"{above}{key}.")
        else:
            yield f"{above}{key}", _list(f"{where}.{above}{key}", value)
