"""Label files of ImageNet's validation set: the class of each image.

Supported are MLPerf's ``val_map.txt`` and other files with lines NAME CLASS or NAME SYNSET,
Kaggle's ``LOC_val_solution.csv``, and a list of 50,000 synsets in the order of the images. Files
that look like these but hold something else are refused, with a message that says what they are.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlrepo.errors import UserError

# The numbers of validation images and classes in ILSVRC2012.
FULL_SET = 50_000
CLASSES = 1000
VAL_MAP = "val_map.txt"
KAGGLE_LABELS = "LOC_val_solution.csv"
KAGGLE_SYNSETS = "LOC_synset_mapping.txt"
SYNSET = re.compile(r"n\d{8}")
_KAGGLE_HEAD = "ImageId,PredictionString"
# If this many images have their own number as class, it is not a coincidence.
_NUMBERED = 10


@dataclass(frozen=True)
class _Line:
    number: int
    name: str
    label: str


def official_name(number: int) -> str:
    """Return the name of a validation image by its number, from 1, without suffix."""
    return f"ILSVRC2012_val_{number:08}"


def read_labels(path: Path) -> dict[str, int]:
    """Return the class of each image by name, without folders, in the order of the samples.

    That is the order of the lines, or of the names in Kaggle's file, whose lines are unordered.

    Raises
    ------
    UserError
        The file cannot be read, a line is malformed, a name occurs twice, or its numbers are not
        classes.
    """
    text = decoded_lines(path, hint="Check --labels.")
    lines = [(i, line.strip()) for i, line in enumerate(text, start=1)]
    lines = [(number, line) for number, line in lines if line]
    if not lines:
        raise UserError(f"{path} contains no labels.", hint="A line is: NAME CLASS")
    kaggle = lines[0][1].replace(" ", "") == _KAGGLE_HEAD
    parsed = list(_kaggle_lines(path, lines[1:]) if kaggle else _lines(path, lines))
    by_name: dict[str, str] = {}
    for line in parsed:
        if line.name in by_name:
            raise UserError(
                f"{path}:{line.number}: {line.name} occurs twice.", hint="Remove one line."
            )
        by_name[line.name] = line.label
    classes = _classes(path, parsed)
    _refuse_numbers_of_images(path, by_name)
    names = sorted(by_name) if kaggle else by_name
    return {name: classes[by_name[name]] for name in names}


def label_file_near(directory: Path) -> Path | None:
    """Return the label file in a directory, beside it, or at its place in Kaggle's archive."""
    parents = list(directory.absolute().parents)
    for name, places in ((VAL_MAP, parents[:1]), (KAGGLE_LABELS, parents[:4])):
        for place in (directory, *places):
            if (place / name).is_file():
                return place / name
    return None


def classes_of_synsets(synsets: Sequence[str], near: Sequence[Path] = ()) -> dict[str, int]:
    """Return the class of each synset: its position among all 1000 in sorted order.

    The 1000 are ``synsets`` themselves, or those in a ``LOC_synset_mapping.txt`` in one of the
    directories ``near``. The result is empty if neither has all of them.
    """
    known = sorted(set(synsets))
    if len(known) != CLASSES:
        known = next(filter(None, map(_mapped_synsets, near)), [])
    return {name: number for number, name in enumerate(known)} if known else {}


def _mapped_synsets(directory: Path) -> list[str]:
    path = directory / KAGGLE_SYNSETS
    if not path.is_file():
        return []
    known = sorted({line.split()[0] for line in decoded_lines(path) if line.split()})
    return known if len(known) == CLASSES and all(map(SYNSET.fullmatch, known)) else []


def decoded_lines(path: Path, *, hint: str = "") -> list[str]:
    """Return the lines of a text file in UTF-8 or UTF-16, without its byte order mark.

    Raises
    ------
    UserError
        The file cannot be read, or is in neither encoding; ``hint`` says what to do.
    """
    try:
        data = path.read_bytes()
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return data.decode("utf-16" if wide else "utf-8-sig").splitlines()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", hint=hint) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text: {error.reason} at byte {error.start}.",
            hint=hint,
        ) from error


def _lines(path: Path, lines: Sequence[tuple[int, str]]) -> Iterator[_Line]:
    if all(SYNSET.fullmatch(line) for _, line in lines) and len(lines) == FULL_SET:
        for at, (number, line) in enumerate(lines, start=1):
            yield _Line(number, official_name(at), line)
        return
    if len(lines) > 1 and all(line.isdecimal() for _, line in lines):
        raise UserError(
            f"{path} has numbers without names, like the development kit's ground truth: its "
            "ids are in another order than the classes of the models.",
            hint=f"Use MLPerf's {VAL_MAP} or Kaggle's {KAGGLE_LABELS}.",
        )
    for number, line in lines:
        words = line.replace(",", " ").split()
        is_class = len(words) == 2 and words[1].isdecimal() and int(words[1]) < CLASSES
        if not is_class and not (len(words) == 2 and SYNSET.fullmatch(words[1])):
            raise UserError(
                f"{path}:{number}: {line[:100]!r} is not NAME CLASS with a class below {CLASSES}.",
                hint="A line is like: ILSVRC2012_val_00000001.JPEG 65",
            )
        yield _Line(number, name_of(words[0]), words[1])


def _kaggle_lines(path: Path, lines: Sequence[tuple[int, str]]) -> Iterator[_Line]:
    """Yield the first synset of each image; the numbers after it are its bounding box."""
    for number, line in lines:
        name, _, boxes = line.partition(",")
        synset = boxes.split()[0] if boxes.split() else ""
        if not name or not SYNSET.fullmatch(synset):
            raise UserError(
                f"{path}:{number}: {line[:100]!r} is not IMAGE,SYNSET and its box.",
                hint=f"Unpack Kaggle's {KAGGLE_LABELS} again.",
            )
        yield _Line(number, name_of(name), synset)


def name_of(path: str) -> str:
    """Return the last component of a path of any operating system."""
    return path.replace("\\", "/").rpartition("/")[2]


def _classes(path: Path, lines: Sequence[_Line]) -> Mapping[str, int]:
    """Return the class of each label in the file; labels are numbers or synsets."""
    labels = {line.label for line in lines}
    synsets = sorted(label for label in labels if SYNSET.fullmatch(label))
    if not synsets:
        return {label: int(label) for label in labels}
    if len(synsets) != len(labels):
        raise UserError(f"{path} has both classes and synsets.", hint="Use one of the two.")
    classes = classes_of_synsets(synsets, [path.parent])
    unknown = [name for name in synsets if name not in classes]
    if unknown:
        raise UserError(
            f"{path} names {len(synsets)} of {CLASSES} synsets; which class {unknown[0]} is "
            "depends on all of them.",
            hint=f"Put Kaggle's {KAGGLE_SYNSETS} beside it, or use MLPerf's {VAL_MAP}.",
        )
    return classes


def _refuse_numbers_of_images(path: Path, by_name: Mapping[str, str]) -> None:
    """Refuse Kaggle's ``ImageSets/CLS-LOC/val.txt``, whose lines are numbered from 1."""
    own = sum(
        name.partition(".")[0] == official_name(int(label))
        for name, label in by_name.items()
        if label.isdecimal()
    )
    if own == len(by_name) and own >= _NUMBERED:
        raise UserError(
            f"{path} gives each image its own number, not its class.",
            hint=f"Use MLPerf's {VAL_MAP} or Kaggle's {KAGGLE_LABELS}.",
        )
