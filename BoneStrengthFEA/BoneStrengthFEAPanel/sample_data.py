"""The CT that comes with the library, as sample data of Slicer: no download, checked by SHA-256."""

import hashlib
from pathlib import Path

CATEGORY = "BoneStrengthFEA"
NAME = "SpineCT"
FILES = ("example_ct", "example_ct_vertebrae", "example_ct_seg_fast", "example_ct_vertebrae_body")
SHA256 = (
    "dbd3ae6d614d1d7ef3a46925c30c70038ed52da6b37fdd6afdc7b9b71387e3e1",
    "1dee90b23f201480e42211527b1e3acefd99c22e21291ef319a95d0b460d7376",
    "e8097758e56e73099075b6caaebce23ef11bc6fad66a4ec3753b9406846558c7",
    "0d55688d19038e44ee38a0f977f107da049a130b340a089e52354f02b83cf654",
)
NODES = ("SpineCT", "SpineBones", "SpineTissues", "SpineBodies")


def folder():
    """Folder of the bundled data."""
    import BoneStrengthFEALib

    return Path(BoneStrengthFEALib.__file__).resolve().parent / "data" / "spine_totalseg"


def paths():
    """Files of the sample, in the order of FILES."""
    return [folder() / f"{name}.nii.gz" for name in FILES]


def check():
    """Raise InputError unless the files are those the extension was made with."""
    from BoneStrengthFEALib.errors import InputError

    for path, digest in zip(paths(), SHA256, strict=True):
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise InputError(f"{path.name} is not the file of the extension (SHA-256 differs); install it again")


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
        uris=[path.as_uri() for path in existing],
        fileNames=[path.name for path in existing],
        nodeNames=list(NODES),
        checksums=[f"SHA256:{digest}" for digest in SHA256],
        customDownloader=lambda _source: list(load()),
    )


def load():
    """Load CT, bones, tissues and bodies with names; four nodes, exactly as the command line reads the files."""
    from BoneStrengthFEALib.cli.demo import demo_study
    from BoneStrengthFEAPanel.to_nodes import segmentationFromLabels, volumeFromLibrary

    check()
    study = demo_study()
    ct = volumeFromLibrary(study.ct, NODES[0])
    bones = segmentationFromLabels(study.labels, ct, NODES[1])
    tissues = segmentationFromLabels(study.tissues, ct, NODES[2])
    bodies = segmentationFromLabels(study.parts, ct, NODES[3])
    for node in (tissues, bodies):
        # a hundred organs over the bones hide what is to be seen
        node.GetDisplayNode().SetVisibility(False)
    return ct, bones, tissues, bodies
