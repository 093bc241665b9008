"""The images that a quantization may use: one of MLPerf's two lists for ImageNet, or the user's.

The image numbers are from calibration/ImageNet in mlcommons/inference, whose README allows either
list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath

from mlrepo.digest import sha256_bytes
from mlrepo.errors import UserError
from mlrepo.workloads.imagenet.labels import decoded_lines, name_of

# Name of a list: the file with its image numbers.
_LISTS = {"mlperf-1": "calibration_1.txt", "mlperf-2": "calibration_2.txt"}
_SHOWN = 5


@dataclass(frozen=True)
class CalibrationList:
    """Images by name, in order.

    Attributes
    ----------
    source:
        The name used in documents: ``mlperf-1``, or the name of a file.
    """

    source: str
    files: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """The hash over the names, one per line."""
        return sha256_bytes("".join(f"{name}\n" for name in self.files).encode())

    def indices(self, files: Sequence[str]) -> list[int]:
        """Return the sample indices of the images in ``files``, the order of a data set.

        Raises
        ------
        UserError
            Some images are missing; the message names them.
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

    Each line of the file begins with the name of an image, whose folders are dropped.

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
