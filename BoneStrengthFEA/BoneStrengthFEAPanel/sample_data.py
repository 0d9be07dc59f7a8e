"""The CT that comes with the library, as sample data of Slicer: no download, checked by SHA-256."""

import hashlib
from pathlib import Path

CATEGORY = "BoneStrengthFEA"
NAME = "SpineCT"
FILES = ("example_ct", "example_ct_vertebrae", "example_ct_seg_fast", "example_ct_vertebrae_body")
NODES = ("SpineCT", "SpineBones", "SpineTissues", "SpineBodies")
TYPES = ("VolumeFile", "SegmentationFile", "SegmentationFile", "SegmentationFile")


def folder():
    """Folder of the bundled data."""
    import BoneStrengthFEALib

    return Path(BoneStrengthFEALib.__file__).resolve().parent / "data" / "spine_totalseg"


def paths():
    """Files of the sample, in the order of FILES."""
    return [folder() / f"{name}.nii.gz" for name in FILES]


def register(iconFolder):
    """Register with Slicer's Sample Data module."""
    import SampleData

    existing = paths()
    if not all(path.is_file() for path in existing):
        return
    logic = SampleData.SampleDataLogic
    if hasattr(logic, "registerCustomSampleDataCategory"):
        logic.registerCustomSampleDataCategory(CATEGORY, CATEGORY)
    logic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        thumbnailFileName=str(Path(iconFolder) / "BoneStrengthFEA.png"),
        uris=[path.as_uri() for path in existing[:1]],
        fileNames=[existing[0].name],
        nodeNames=[NODES[0]],
        checksums=["SHA256:" + hashlib.sha256(existing[0].read_bytes()).hexdigest()],
        customDownloader=lambda _source: list(load()),
    )


def load():
    """Load CT, bones, tissues and bodies with names; four nodes, exactly as the command line reads the files."""
    from BoneStrengthFEALib.cli.demo import demo_study
    from BoneStrengthFEAPanel.to_nodes import segmentationFromLabels, volumeFromLibrary

    study = demo_study()
    ct = volumeFromLibrary(study.ct, NODES[0])
    bones = segmentationFromLabels(study.labels, ct, NODES[1])
    tissues = segmentationFromLabels(study.tissues, ct, NODES[2])
    bodies = segmentationFromLabels(study.parts, ct, NODES[3])
    return ct, bones, tissues, bodies
