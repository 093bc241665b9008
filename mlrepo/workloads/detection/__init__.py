"""Object detection: MLPerf's YOLO and RetinaNet, and any detector in the open division.

No code or weights of a detector are part of this package: a model is the user's, and its licence
stands in the record.
"""

from __future__ import annotations

from pathlib import Path

from mlrepo.model_kinds import ONNX
from mlrepo.workloads import Dataset, SampleTensor, Workload
from mlrepo.workloads.catalog import ReferenceModel
from mlrepo.workloads.detection.registered import COCO, COCO_SAFE, OPEN_IMAGES, CocoShaped
from mlrepo.workloads.detection.task import PYCOCOTOOLS, ObjectDetection
from mlrepo.workloads.tensors import FLOAT32
from mlrepo.workloads.ways import DETECTION_WAYS

# What mlperf.conf has LoadGen load for yolo and for retinanet.
_PERFORMANCE_SAMPLES = 64
_COCO_CLASSES, _OPEN_IMAGES_CLASSES = 80, 264


def _open(description: Path) -> Dataset:
    from mlrepo.workloads.detection.coco import PreparedDetection

    return PreparedDetection(description)


def _benchmark(
    name: str,
    follows: str,
    loadgen_model: str,
    dataset: CocoShaped,
    classes: int = 0,
    models: tuple[ReferenceModel, ...] = (),
) -> Workload:
    return Workload(
        name=name,
        task=ObjectDetection(classes=classes),
        follows=follows,
        loadgen_model=loadgen_model,
        performance_samples=_PERFORMANCE_SAMPLES,
        model=None,
        open_dataset=_open,
        dataset=dataset,
        tensors=(SampleTensor("", FLOAT32, (3, dataset.size, dataset.size)),),
        models=models,
        requirements=(PYCOCOTOOLS,),
    )


OBJECT_DETECTION = _benchmark("object-detection", "yolo-95", "yolo", COCO)
YOLO_95 = _benchmark("yolo-95", "yolo-95", "yolo", COCO_SAFE, _COCO_CLASSES)
YOLO_99 = _benchmark("yolo-99", "yolo-99", "yolo", COCO_SAFE, _COCO_CLASSES)
RETINANET = _benchmark(
    "retinanet",
    "retinanet",
    "retinanet",
    OPEN_IMAGES,
    _OPEN_IMAGES_CLASSES,
    (
        ReferenceModel(
            "retinanet",
            "resnext50",
            "RetinaNet with ResNeXt-50, fp32, ONNX, one image at a time",
            "as stated at its address",
            ONNX,
            ("images",),
            ("boxes", "scores", "labels"),
            "https://zenodo.org/record/6617879/files/resnext50_32x4d_fpn.onnx",
            "4544f4e56e0a4684215831cc937ea45c",
            preprocessing=DETECTION_WAYS[1],
            accuracy=37.57,
            accuracy_unit="mAP",
        ),
    ),
)
