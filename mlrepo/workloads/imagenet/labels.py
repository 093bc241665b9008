"""Label files of ImageNet's validation set: which class an image is of.

Read are MLPerf's ``val_map.txt`` and others of lines NAME CLASS or NAME SYNSET, Kaggle's
``LOC_val_solution.csv``, and a list of 50,000 synsets in the order of the images. Files that look
like these and hold something else are refused by what they are.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlrepo.errors import UserError

# ILSVRC2012: so many validation images and classes.
FULL_SET = 50_000
CLASSES = 1000
VAL_MAP = "val_map.txt"
KAGGLE_LABELS = "LOC_val_solution.csv"
KAGGLE_SYNSETS = "LOC_synset_mapping.txt"
SYNSET = re.compile(r"n\d{8}")
_KAGGLE_HEAD = "ImageId,PredictionString"
# So many images whose class is their own number are no chance.
_NUMBERED = 10


@dataclass(frozen=True)
class _Line:
    number: int
    name: str
    label: str


def official_name(number: int) -> str:
    """Return the name of a validation image, from 1, without its suffix."""
    return f"ILSVRC2012_val_{number:08}"


def read_labels(path: Path) -> dict[str, int]:
    """Return the class of each name, in the order of the samples; folders before it are dropped.

    That is the order of the lines; of Kaggle's file, whose lines have none, that of the names.

    Raises
    ------
    UserError
        The file cannot be read, a line is bad or named twice, or its numbers are not classes.
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
    """Return the label file in a directory, beside it, or where Kaggle's archive has it."""
    parents = list(directory.absolute().parents)
    for name, places in ((VAL_MAP, parents[:1]), (KAGGLE_LABELS, parents[:4])):
        for place in (directory, *places):
            if (place / name).is_file():
                return place / name
    return None


def classes_of_synsets(synsets: Sequence[str], near: Sequence[Path] = ()) -> dict[str, int]:
    """Return the class of each synset: its place among all thousand in sorted order.

    All are ``synsets`` themselves, or those of a ``LOC_synset_mapping.txt`` in the directories
    ``near``; empty where neither tells all.
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
    """Return the lines of a text in UTF-8 or UTF-16, without its byte order mark.

    Raises
    ------
    UserError
        It cannot be read, or is in neither; ``hint`` says what to do.
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
    """Yield the first synset of each image; the numbers behind it are its box."""
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
    """Return the last name of a path of any system."""
    return path.replace("\\", "/").rpartition("/")[2]


def _classes(path: Path, lines: Sequence[_Line]) -> Mapping[str, int]:
    """Return the class of each label of the file, which are numbers, or synsets."""
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
