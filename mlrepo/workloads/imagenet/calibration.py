"""The images that a quantization may look at: MLPerf's two lists for ImageNet, or one's own.

The numbers of the lists are those of calibration/ImageNet of mlcommons/inference; its README allows
one of the two to be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath

from mlrepo.digest import sha256_bytes
from mlrepo.errors import UserError
from mlrepo.workloads.imagenet.labels import decoded_lines, name_of

# Name: the file of its numbers.
_LISTS = {"mlperf-1": "calibration_1.txt", "mlperf-2": "calibration_2.txt"}
_SHOWN = 5


@dataclass(frozen=True)
class CalibrationList:
    """Images by name, in order.

    Attributes
    ----------
    source:
        What it is called in documents: ``mlperf-1``, or the name of a file.
    """

    source: str
    files: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """The hash over the names, one per line."""
        return sha256_bytes("".join(f"{name}\n" for name in self.files).encode())

    def indices(self, files: Sequence[str]) -> list[int]:
        """Return where the images stand in the sample order ``files`` of a data set.

        Raises
        ------
        UserError
            Some are not there; they are named.
        """
        stems = {PurePosixPath(file).stem: row for row, file in enumerate(files)}
        rows = {name: stems.get(PurePosixPath(name).stem, -1) for name in self.files}
        absent = [name for name, row in rows.items() if row < 0]
        if absent:
            shown = ", ".join(absent[:_SHOWN]) + (", …" if len(absent) > _SHOWN else "")
            raise UserError(
                f"{len(absent)} of the {len(self.files)} images of the calibration list "
                f"{self.source} are not in the registered data set: {shown}.",
                hint="Register the full set, or give a list of images that are in it.",
            )
        return [rows[name] for name in self.files]


def calibration_list(text: str) -> CalibrationList:
    """Return MLPerf's list ``mlperf-1`` or ``mlperf-2``, or the one in the file ``text``.

    Each line of a file begins with the name of an image; folders before it are dropped.

    Raises
    ------
    UserError
        There is no such list or file, it is empty, or it names an image twice.
    """
    if text in _LISTS:
        numbers = (resources.files(__package__) / _LISTS[text]).read_text().split()
        return CalibrationList(text, tuple(f"ILSVRC2012_val_{int(n):08}.JPEG" for n in numbers))
    path = Path(text)
    known = ", ".join(_LISTS)
    lines = decoded_lines(path, hint=f"Give a file of image names, or one of MLPerf's: {known}.")
    files = tuple(name_of(line.split()[0]) for line in lines if line.strip())
    twice = next((name for number, name in enumerate(files) if name in files[:number]), None)
    if not files or twice:
        raise UserError(
            f"The calibration list {path} " + (f"names {twice} twice." if twice else "is empty."),
            hint="Each line names one image.",
        )
    return CalibrationList(path.name, files)
