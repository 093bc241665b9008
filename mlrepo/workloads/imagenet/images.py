"""Find the images of the ImageNet 2012 validation set and their labels."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlrepo.errors import UserError
from mlrepo.workloads.imagenet.labels import (
    CLASSES,
    FULL_SET,
    KAGGLE_LABELS,
    SYNSET,
    VAL_MAP,
    classes_of_synsets,
    label_file_near,
    official_name,
    read_labels,
)

_SUFFIXES = (".jpeg", ".jpg", ".png")
_TRAINING = re.compile(r"n\d{8}_\d+\.\w+")
# Where the archives have the validation images, below the directory they are unpacked in.
_VALIDATION = ("ILSVRC/Data/CLS-LOC/val", "Data/CLS-LOC/val", "CLS-LOC/val")
# Hidden files, and those that macOS adds to archives, are not images.
_NOT_OURS = (".", "__MACOSX")
_SHOWN = 5


@dataclass(frozen=True)
class LabelledImages:
    """Images and their classes, in the order of the label file: the order of sample indices.

    Attributes
    ----------
    directory:
        Where the files are.
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
        """How many images of the full set are missing here."""
        return max(0, FULL_SET - len(self.files))

    def missing_names(self) -> str:
        """Return the first missing images of the full set; '' if the names here are different."""
        stems = {PurePosixPath(file).stem for file in self.files}
        absent = [name for n in range(1, FULL_SET + 1) if (name := official_name(n)) not in stems]
        return _some(absent) if len(absent) == self.missing else ""


@dataclass(frozen=True)
class _ImageFiles:
    """Image files by name, relative to the directory, and the synset folders found."""

    by_name: Mapping[str, str]
    synsets: frozenset[str]


def find_images(directory: Path, label_file: Path | None = None) -> LabelledImages:
    """Find the images below ``directory``, flat or in one folder per synset, and label them.

    The directory may be the one that Kaggle's archive was unpacked in. Links to folders and to
    files are followed. Labels come from ``label_file``, else from a ``val_map.txt`` in the
    directory or beside it, else from Kaggle's file, else from the folders if there is one for each
    of the 1000 synsets: the classes are their sorted order.

    Raises
    ------
    UserError
        There are no images or no labels, or the two do not match; the message says which.
    """
    if not directory.is_dir():
        raise UserError(f"{directory} is not a directory.", hint="Check --path.")
    directory = _validation_directory(directory)
    found = _find(directory)
    if not found.by_name:
        raise UserError(
            f"There are no images below {directory} (looked for {', '.join(_SUFFIXES)}).",
            hint=_archive_hint(directory)
            or "Give the directory that holds ILSVRC2012_val_00000001.JPEG and so on, or one "
            "folder per synset.",
        )
    label_file = label_file or label_file_near(directory)
    if label_file is None:
        return _labelled_by_folder(directory, found)
    return _labelled_by_file(directory, found, label_file)


def _validation_directory(directory: Path) -> Path:
    """Return where the validation images are, below a directory that may hold more."""
    for below in _VALIDATION:
        if (directory / below).is_dir():
            return directory / below
    if (directory / "train").is_dir() and (directory / "val").is_dir():
        return directory / "val"
    return directory


def _find(directory: Path) -> _ImageFiles:
    by_name: dict[str, str] = {}
    synsets: set[str] = set()
    lost: list[str] = []
    for folder, names in _walk(directory):
        if SYNSET.fullmatch(folder.name):
            synsets.add(folder.name)
        for name in names:
            path = folder / name
            if path.suffix.lower() not in _SUFFIXES or path.is_dir():
                continue
            relative = path.relative_to(directory).as_posix()
            if not path.is_file():
                lost.append(relative)
            elif by_name.setdefault(name, relative) != relative:
                raise UserError(
                    f"{name} occurs twice below {directory}: {by_name[name]} and {relative}.",
                    hint="Remove one of them.",
                )
    if lost:
        raise UserError(
            f"{len(lost)} images below {directory} are broken links: {_some(lost)}.",
            hint="Mount or restore what they point to, then run the same command.",
        )
    return _ImageFiles(by_name, frozenset(synsets))


def _walk(directory: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder once, sorted, with its files; links are followed, but not in a loop."""

    def unreadable(error: OSError) -> None:
        raise UserError(
            f"{error.filename} cannot be read: {error.strerror}.", hint="Check its permissions."
        ) from error

    # A link to a parent folder would lead out of the given directory.
    seen = {(about.st_dev, about.st_ino) for about in map(Path.stat, directory.resolve().parents)}
    for name, folders, files in os.walk(directory, onerror=unreadable, followlinks=True):
        about = Path(name).stat()
        if (about.st_dev, about.st_ino) in seen:
            folders.clear()
            continue
        seen.add((about.st_dev, about.st_ino))
        folders[:] = sorted(folder for folder in folders if not folder.startswith(_NOT_OURS))
        yield Path(name), sorted(file for file in files if not file.startswith(_NOT_OURS))


def _archive_hint(directory: Path) -> str:
    archives = sorted(p.name for p in directory.iterdir() if p.suffix in (".tar", ".zip", ".gz"))
    return f"Unpack {archives[0]} first." if archives else ""


def _labelled_by_file(directory: Path, found: _ImageFiles, label_file: Path) -> LabelledImages:
    """Label images by name; the suffix of a file may differ from that in the label file."""
    labels = read_labels(label_file)
    by_stem = {PurePosixPath(name).stem: name for name in found.by_name}
    names = {
        label: label if label in found.by_name else by_stem.get(PurePosixPath(label).stem, "")
        for label in labels
    }
    unlabelled = sorted(set(found.by_name) - set(names.values()))
    if unlabelled:
        raise UserError(
            f"{label_file} has no line for {len(unlabelled)} of {len(found.by_name)} images: "
            f"{_some(unlabelled)}.",
            hint="Give the label file of this set with --labels.",
        )
    # The label file may name the full set although only some of the images are present.
    present = [label for label in labels if names[label]]
    if len(present) > len(found.by_name):
        twice = sorted(label for label in present if names[label] != label)
        raise UserError(
            f"{label_file} names an image twice: {_some(twice)}.", hint="Remove one line of each."
        )
    classes = _classes(directory, found)
    for label in present:
        file = found.by_name[names[label]]
        if classes.get(PurePosixPath(file).parent.name, labels[label]) != labels[label]:
            raise UserError(
                f"{label_file} says class {labels[label]} of {label}, but its folder {file} is "
                f"class {classes[PurePosixPath(file).parent.name]}.",
                hint="Give the label file of this set with --labels.",
            )
    return LabelledImages(
        directory,
        tuple(found.by_name[names[label]] for label in present),
        tuple(labels[label] for label in present),
    )


def _classes(directory: Path, found: _ImageFiles) -> dict[str, int]:
    return classes_of_synsets(sorted(found.synsets), [directory, directory.parent])


def _labelled_by_folder(directory: Path, found: _ImageFiles) -> LabelledImages:
    synset_of = {name: PurePosixPath(file).parent.name for name, file in found.by_name.items()}
    classes = _classes(directory, found)
    if not classes or any(synset not in classes for synset in synset_of.values()):
        count = len(found.synsets)
        have = f"{count} of {CLASSES} synset folders" if count else "no label file"
        raise UserError(
            f"The images below {directory} have no labels: there is {have}.",
            hint=f"Put MLPerf's {VAL_MAP} (lines NAME CLASS) or Kaggle's {KAGGLE_LABELS} into the "
            "directory, or name it with --labels FILE.",
        )
    if all(_TRAINING.fullmatch(name) for name in synset_of):
        raise UserError(
            f"The images below {directory} are training images: {_some(sorted(synset_of))}.",
            hint="Give the directory of the validation images.",
        )
    names = sorted(synset_of)
    return LabelledImages(
        directory,
        tuple(found.by_name[name] for name in names),
        tuple(classes[synset_of[name]] for name in names),
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
