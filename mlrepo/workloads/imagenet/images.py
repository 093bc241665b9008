"""Finding the images of the ImageNet 2012 validation set and their labels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mlrepo.errors import UserError

# ILSVRC2012: so many validation images and classes.
FULL_SET = 50_000
CLASSES = 1000
VAL_MAP = "val_map.txt"
_SUFFIXES = (".jpeg", ".jpg", ".png")
_SYNSET = re.compile(r"n\d{8}")
_SHOWN = 5


@dataclass(frozen=True)
class LabelledImages:
    """Images and their classes, in the order of the label file: the order of sample indices.

    Attributes
    ----------
    directory:
        Where the files lie.
    files:
        Names relative to ``directory``.
    labels:
        The class of each, 0 to 999.
    """

    directory: Path
    files: tuple[str, ...]
    labels: tuple[int, ...]

    @property
    def missing(self) -> int:
        """How many images the full set has more than this one."""
        return max(0, FULL_SET - len(self.files))


def find_images(directory: Path, label_file: Path | None = None) -> LabelledImages:
    """Find the images below ``directory``, flat or in one folder per synset, and label them.

    Labels come from ``label_file``, else from a ``val_map.txt`` in the directory or beside it,
    else from the folders, if there is one for each of the 1000 synsets: in sorted order they are
    the classes. Every line of a label file is ``NAME CLASS``.

    Raises
    ------
    UserError
        There are no images, no labels, or the two do not belong together; it says what is wrong.
    """
    if not directory.is_dir():
        raise UserError(f"{directory} is not a directory.", hint="Check --path.")
    paths = sorted(p for p in directory.rglob("*") if p.suffix.lower() in _SUFFIXES)
    if not paths:
        raise UserError(
            f"There are no images below {directory} (looked for {', '.join(_SUFFIXES)}).",
            hint="Give the directory that holds ILSVRC2012_val_00000001.JPEG and so on, or one "
            "folder per synset.",
        )
    by_name: dict[str, str] = {}
    for path in paths:
        relative = path.relative_to(directory).as_posix()
        if by_name.setdefault(path.name, relative) != relative:
            raise UserError(
                f"{path.name} is there twice below {directory}: {by_name[path.name]} and "
                f"{relative}.",
                hint="Remove one of them.",
            )
    label_file = label_file or _label_file_near(directory)
    if label_file is None:
        return _labelled_by_folder(directory, by_name)
    labels = read_labels(label_file)
    unlabelled = sorted(set(by_name) - set(labels))
    if unlabelled:
        raise UserError(
            f"{label_file} has no line for {len(unlabelled)} of {len(by_name)} images: "
            f"{_some(unlabelled)}.",
            hint="Give the label file of this set with --labels.",
        )
    # The label file may name the full set where only a part of the images is there.
    present = [name for name in labels if name in by_name]
    return LabelledImages(
        directory, tuple(by_name[name] for name in present), tuple(labels[n] for n in present)
    )


def read_labels(path: Path) -> dict[str, int]:
    """Read ``NAME CLASS`` lines in order; folders before the name are dropped.

    Raises
    ------
    UserError
        The file cannot be read, or a line is bad or named twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.", hint="Check --labels.") from error
    labels: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        words = line.split()
        if len(words) != 2 or not words[1].isdecimal() or int(words[1]) >= CLASSES:
            raise UserError(
                f"{path}:{number}: {line.strip()!r} is not NAME CLASS with a class below "
                f"{CLASSES}.",
                hint="A line is like: ILSVRC2012_val_00000001.JPEG 65",
            )
        name = words[0].rpartition("/")[2]
        if name in labels:
            raise UserError(f"{path}:{number}: {name} is there twice.", hint="Remove one line.")
        labels[name] = int(words[1])
    if not labels:
        raise UserError(f"{path} holds no labels.", hint="A line is: NAME CLASS")
    return labels


def _label_file_near(directory: Path) -> Path | None:
    for path in (directory / VAL_MAP, directory.parent / VAL_MAP):
        if path.is_file():
            return path
    return None


def _labelled_by_folder(directory: Path, by_name: dict[str, str]) -> LabelledImages:
    folders = sorted({relative.rpartition("/")[0] for relative in by_name.values()})
    synsets = [name for name in folders if _SYNSET.fullmatch(name)]
    if folders != synsets or len(synsets) != CLASSES:
        found = f"{len(synsets)} of {CLASSES} synset folders" if synsets else "no label file"
        raise UserError(
            f"The images below {directory} have no labels: there is {found}.",
            hint=f"Put MLPerf's {VAL_MAP} (lines NAME CLASS) into the directory, or name it with "
            "--labels FILE.",
        )
    classes = {name: number for number, name in enumerate(synsets)}
    names = sorted(by_name)
    files = tuple(by_name[name] for name in names)
    return LabelledImages(
        directory, files, tuple(classes[file.rpartition("/")[0]] for file in files)
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
