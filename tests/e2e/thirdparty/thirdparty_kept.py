"""A third party's benchmark whose data set the user registers and prepares: two files, two ways."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlrepo.digest import sha256_file
from mlrepo.errors import InvalidResult, UserError
from mlrepo.workloads import Model, SampleTensor
from mlrepo.workloads.digits import DIGITS, DigitsDataset
from mlrepo.workloads.registered import (
    DatasetPart,
    OnSamples,
    Prepared,
    Registered,
    RegisteredDataset,
)


@dataclass(frozen=True)
class KeptDigits(RegisteredDataset):
    """Digits in the file that the user has."""

    name: str = "kept-digits"
    about: str = "handwritten digits, kept by the user"
    unit: str = "digits"
    parts: tuple[DatasetPart, ...] = (
        DatasetPart("digits.npz", "images and labels"),
        DatasetPart("licence.txt", "whose they are", optional=True),
    )
    ways: tuple[str, ...] = ("plain", "negative")
    sizes: range = range(8, 17, 8)
    size: int = 8

    def add(self, home: Path, path: Path, files: Mapping[str, Path]) -> Registered:
        """Remember where the file is."""
        found = self.find_parts(path, files)["digits.npz"].absolute()
        self._directory(home).mkdir(parents=True, exist_ok=True)
        (self._directory(home) / "files.json").write_text(json.dumps(str(found)))
        here = self.status(home)
        assert here is not None
        return here

    def prepare(
        self, home: Path, way: str, size: int, threads: int, progress: OnSamples
    ) -> Prepared:
        """Copy the file."""
        here = self._here(home)
        done = self._directory(home) / f"{way}.npz"
        shutil.copyfile(here.path, done)
        progress(here.samples, here.samples)
        return Prepared(done, done, f"as {way}, {size} pixels", way, size)

    def verify(self, home: Path, threads: int, progress: OnSamples) -> str:
        """Compare the copies with the file."""
        here = self._here(home)
        fingerprint = sha256_file(here.path)
        for way in here.prepared:
            if sha256_file(self._directory(home) / f"{way}.npz") != fingerprint:
                raise InvalidResult(f"{way}.npz is not {here.path}.", hint="Prepare it again.")
        return fingerprint

    def status(self, home: Path) -> Registered | None:
        """Count the digits."""
        noted = self._directory(home) / "files.json"
        if not noted.exists():
            return None
        path = Path(json.loads(noted.read_text()))
        with np.load(path) as data:
            count = len(data["held_out"])
        prepared = tuple(sorted(file.stem for file in self._directory(home).glob("*.npz")))
        return Registered(count, path, prepared, "Their licence is not known.")

    def find(self, home: Path, model: Model) -> Path:
        """Find the plain copy."""
        done = self._directory(home) / "plain.npz"
        if not done.exists():
            raise UserError(f"{self.name} is not prepared.", hint=self.needed(home, model)[0])
        return done

    def needed(self, home: Path, model: Model) -> tuple[str, ...]:
        """Say what is missing."""
        needed: tuple[str, ...] = ()
        needed += () if self.status(home) else (f"mlrepo dataset add {self.name} --path DIR",)
        if not (self._directory(home) / "plain.npz").exists():
            needed += (f"mlrepo dataset prepare {self.name}",)
        return needed

    def _directory(self, home: Path) -> Path:
        return home / "datasets" / self.name

    def _here(self, home: Path) -> Registered:
        here = self.status(home)
        if here is None:
            raise UserError(
                f"{self.name} is not registered.", hint=f"mlrepo dataset add {self.name} --path DIR"
            )
        return here


def _open(prepared: Path | None = None) -> Any:
    return DigitsDataset(prepared or Path("/nonexistent"))


KEPT = replace(
    DIGITS,
    name="kept",
    open_dataset=_open,
    dataset=KeptDigits(),
    tensors=(SampleTensor("", "float32", (1, 8, 8)),),
    requirements=("numpy>=1.26",),
)
