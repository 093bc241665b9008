"""A model in the user's store, as its ``model.json`` describes it and its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mlrepo.errors import UserError
from mlrepo.model_files import ModelFile
from mlrepo.workloads import Model
from mlrepo.workloads.catalog import ReferenceModel
from mlrepo.workloads.forms import NCHW
from mlrepo.workloads.weights import read_facts

DESCRIPTION = "model.json"


@dataclass(frozen=True)
class StoredModel:
    """A model in the store.

    Attributes
    ----------
    checked:
        Whether the file was compared with a published hash.
    added:
        Whether the user added it, instead of mlrepo downloading or generating it.
    linked:
        Whether its files are the user's own, in their original place.
    files:
        All its files as they were when it was stored; the earliest entries have no list.
    directory:
        The directory of its description and the documents about it.
    """

    about: ReferenceModel
    path: Path
    sha256: str
    checked: bool
    added: bool
    linked: bool
    files: tuple[ModelFile, ...]
    directory: Path

    def missing(self) -> str:
        """Return the first of its files that is not here, or an empty string."""
        if not self.path.exists():
            return str(self.path)
        root = self.path if self.path.is_dir() else self.path.parent
        # A single file has the name of the entry, whatever its original name was.
        names = [file.name for file in self.files] if len(self.files) > 1 else []
        return next((str(root / name) for name in names if not (root / name).exists()), "")

    @property
    def size(self) -> int:
        """The total size of all files in bytes."""
        return sum(file.size for file in self.listed())

    def listed(self) -> tuple[ModelFile, ...]:
        """Return all files; for an entry without a list, the one that it names."""
        one = ModelFile(self.path.name, self.path.stat().st_size, self.sha256)
        return self.files or (one,)

    def description(self) -> str:
        """Return the content of its ``model.json``."""
        file = str(self.path if self.linked else self.path.relative_to(self.directory))
        values = {
            "about": asdict(self.about),
            "file": file,
            "sha256": self.sha256,
            "files": [file.listed() for file in self.files],
            "checked": self.checked,
            "added": self.added,
            "linked": self.linked,
        }
        return json.dumps(values, indent=2) + "\n"

    def model_file(self) -> Model:
        """Return the model as a run needs it."""
        about = self.about
        return Model(
            name=f"{about.benchmark}-{about.variant}",
            path=self.path,
            starting_weights_filename=about.starting_weights_filename,
            retraining=about.retraining,
            input_data_types=about.input_data_types,
            weight_data_types=about.weight_data_types,
            weight_transformations=about.weight_transformations,
            preprocessing=about.preprocessing,
            layout="" if about.layout == NCHW else about.layout,
            documents=self.directory,
            sha256=self.sha256,
            licence=about.licence,
        )


def read_stored(directory: Path) -> StoredModel | None:
    """Return the model that a directory of the store describes, or None; its files may be gone.

    Raises
    ------
    UserError
        The description is damaged or cannot be read.
    """
    path = directory / DESCRIPTION
    try:
        raw: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        fields = dict(raw["about"])
        about = replace(
            ReferenceModel(**fields),
            inputs=tuple(fields["inputs"]),
            outputs=tuple(fields["outputs"]),
            wheels=tuple(fields.get("wheels") or ()),
        )
        about = _as_its_files_say(about, directory / raw["file"])
        files = tuple(ModelFile(**file) for file in raw.get("files") or ())
        return StoredModel(
            about,
            directory / raw["file"],
            raw["sha256"],
            raw["checked"],
            raw["added"],
            bool(raw.get("linked")),
            files,
            directory,
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}.", hint="Check its permissions."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is damaged: {error!r}.",
            hint=f"Remove {directory}, then fetch or add the model again.",
        ) from error


def _as_its_files_say(about: ReferenceModel, path: Path) -> ReferenceModel:
    """Return the description with the types of the files, which old versions assumed as fp32."""
    facts = read_facts(path)
    return replace(
        about,
        weight_data_types=",".join(facts.weights) or about.weight_data_types,
        input_data_types=facts.input_data_types or about.input_data_types,
    )
