"""The images that a quantization may use: one of MLPerf's two lists for ImageNet, or the user's.

The image numbers are from calibration/ImageNet in mlcommons/inference, whose README allows either
list.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.workloads.imagenet.labels import decoded_lines, name_of
from mlrepo.workloads.registered import CalibrationList

# Name of a list: the file with its image numbers.
_LISTS = {"mlperf-1": "calibration_1.txt", "mlperf-2": "calibration_2.txt"}


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
