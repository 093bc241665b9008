"""ImageNet as its benchmarks need it: where it is prepared for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlrepo.errors import UserError
from mlrepo.workloads import Model
from mlrepo.workloads.imagenet.prepared import NAME, ImageNetStore
from mlrepo.workloads.imagenet.preprocess import prepared_name


@dataclass(frozen=True)
class ImageNet:
    """The validation images of ImageNet 2012, which the user registers and prepares."""

    name: str = NAME
    requirements: tuple[str, ...] = ("opencv-python-headless>=4.8", "pillow>=10")

    def find(self, home: Path, model: Model) -> Path:
        """Return the description file of the preparation that a model needs.

        Raises
        ------
        UserError
            It has to be registered or prepared first, or the model's input is not square.
        """
        if len(set(model.size)) > 1:
            raise UserError(
                f"{model.name} takes images of {model.size[0]} by {model.size[1]}, and those of "
                f"{NAME} are prepared as squares.",
                hint="Export the model for square images.",
            )
        return ImageNetStore(home).require_prepared(self._preparation(model))

    def needed(self, home: Path, model: Model) -> tuple[str, ...]:
        """Return the commands that register and prepare what a model still needs."""
        store, needed = ImageNetStore(home), []
        if store.images() is None:
            needed.append(f"mlrepo dataset add {NAME} --path DIR")
        if store.prepared(self._preparation(model)) is None:
            size = f" --size {model.size[0]}" if model.size else ""
            needed.append(f"mlrepo dataset prepare {NAME} --way {model.preprocessing}{size}")
        return tuple(needed)

    def sample_names(self, home: Path) -> Sequence[str]:
        """Return the names of the image files; raise :class:`UserError` if there are none."""
        return ImageNetStore(home).require_images().files

    @staticmethod
    def _preparation(model: Model) -> str:
        return prepared_name(model.preprocessing, *model.size[:1])
