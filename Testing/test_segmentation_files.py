from __future__ import annotations

import json

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_series import write_ct

from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.errors import GeometryError, InputError
from BoneStrengthFEALib.image_files import read_volume, write_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.segmentation import read_labels, write_labels
from BoneStrengthFEALib.volume import Quantity, Volume

AFFINE = np.array([[0, 1.5, 0, 7], [-0.8, 0, 0, -3], [0, 0, 2.5, 11], [0, 0, 0, 1.0]])


def labels_345() -> Volume:
    array = np.zeros((3, 4, 5), np.int16)
    array[1, 1:3, 2:4] = 31
    array[2, 3, 4] = 76
    return Volume(array, AFFINE, Quantity.LABEL)


def test_slicer_file_keeps_values_place_names_and_codes(tmp_path):
    path = tmp_path / "bones.seg.nrrd"
    write_labels(LabelMap(labels_345(), {31: "vertebrae_L1", 76: "femur_left"}), path)
    back = read_labels(path)
    assert np.array_equal(back.volume.array, labels_345().array)
    assert back.volume.grid.matches(labels_345().grid)
    assert back.names == {31: "vertebrae_L1", 76: "femur_left"}
    image = sitk.ReadImage(str(path))
    assert "SCT^66794005^L1 vertebra" in image.GetMetaData("Segment0_Tags")
    assert image.GetMetaData("Segment0_Extent") == "2 3 1 2 1 1"
    assert "SCT^71341001^Femur~SCT^7771000^Left" in image.GetMetaData("Segment1_Tags")


def test_unnamed_segment_takes_its_name_from_the_terminology(tmp_path):
    path = tmp_path / "a.seg.nrrd"
    write_labels(LabelMap(labels_345(), {31: "Segment_1", 76: "Segment_2"}), path)
    image = sitk.ReadImage(str(path))
    entry = "list~SCT^123037004^Anatomical Structure~SCT^71341001^Femur~SCT^24028007^Right~x~^^~^^"
    image.SetMetaData("Segment1_Tags", f"Segmentation.Status:done|TerminologyEntry:{entry}|")
    sitk.WriteImage(image, str(path))
    assert read_labels(path).names == {31: "Bone", 76: "Right Femur"}


@pytest.mark.parametrize("labels", [{"background": 0, "hip": 31}, {"0": "background", "31": "hip"}])
def test_both_versions_of_nnunet_name_the_values(tmp_path, labels):
    write_volume(labels_345(), tmp_path / "case.nii.gz")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}), encoding="utf-8")
    assert read_labels(tmp_path / "case.nii.gz").names == {31: "hip"}


def test_nnunet_regions_are_refused_with_words(tmp_path):
    write_volume(labels_345(), tmp_path / "case.nii.gz")
    (tmp_path / "dataset.json").write_text('{"labels": {"whole": [1, 2]}}', encoding="utf-8")
    with pytest.raises(InputError, match="regions are not supported"):
        read_labels(tmp_path / "case.nii.gz")


def masks(folder, second):
    first = labels_345()
    write_volume(first.with_array((first.array == 76).astype(np.uint8)), folder / "femur_left.nii.gz")
    write_volume(second, folder / "vertebrae_L1.nii.gz")


def test_folder_of_masks_is_one_label_map(tmp_path):
    first = labels_345()
    masks(tmp_path, first.with_array((first.array == 31).astype(np.uint8)))
    found = read_labels(tmp_path)
    assert found.names == {1: "femur_left", 2: "vertebrae_L1"}
    assert np.array_equal(found.mask("vertebrae_L1").array, first.array == 31)
    assert np.array_equal(found.mask("femur_left").array, first.array == 76)


def test_overlapping_masks_and_other_grids_are_refused(tmp_path):
    first = labels_345()
    masks(tmp_path, first.with_array((first.array >= 31).astype(np.uint8)))
    with pytest.raises(InputError, match="overlaps femur_left"):
        read_labels(tmp_path)
    masks(tmp_path, Volume(np.ones((3, 4, 5), np.uint8), np.eye(4), Quantity.LABEL))
    with pytest.raises(GeometryError, match="different grids"):
        read_labels(tmp_path)


def test_command_brings_labels_onto_the_ct_and_keeps_edited_files(tmp_path, capsys):
    ct = Volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), AFFINE, Quantity.HU)
    write_volume(ct, tmp_path / "ct.nii.gz")
    write_volume(labels_345(), tmp_path / "labels.nii.gz")
    out = tmp_path / "out.seg.nrrd"
    call = ["segment", str(tmp_path / "ct.nii.gz"), "--labels", str(tmp_path / "labels.nii.gz")]
    call += ["--numbering", "totalsegmentator", "--out", str(out)]
    assert main(call) == 0
    assert read_labels(out).names[31] == "vertebrae_L1"
    assert np.array_equal(read_volume(out, Quantity.LABEL).array, labels_345().array)
    before = out.read_bytes()
    assert main(call) == 2
    assert "may hold edits" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert main([*call, "--overwrite"]) == 0


def write_seg(ct, folder, labels, kind):
    folder = write_ct(ct, folder)
    images = sorted((pydicom.dcmread(f) for f in folder.iterdir()), key=lambda d: d.ImagePositionPatient[2])
    bone = hd.sr.CodedConcept("3138006", "SCT", "Bone")
    description = [
        hd.seg.SegmentDescription(
            n, name, bone, bone, hd.seg.SegmentAlgorithmTypeValues.MANUAL, tracking_uid=hd.UID(), tracking_id=name
        )
        for n, name in enumerate(("vertebrae_L1", "femur_left"), start=1)
    ]
    pixels = labels if kind == "BINARY" else (labels > 0).astype(np.float32)
    made = hd.seg.Segmentation(
        images,
        pixels,
        kind,
        description if kind == "BINARY" else description[:1],
        hd.UID(),
        9,
        hd.UID(),
        1,
        "maker",
        "model",
        "1",
        "1",
    )
    made.save_as(folder.parent / "seg.dcm")
    return folder.parent / "seg.dcm"


def test_dicom_seg_lands_on_the_voxels_it_was_drawn_on(tmp_path):
    affine = np.array([[-0.8, 0, 0, 7], [0, -1.5, 0, -3], [0, 0, 2.5, 11], [0, 0, 0, 1.0]])
    ct = Volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), affine, Quantity.HU)
    drawn = np.zeros((3, 4, 5), np.uint8)
    drawn[1, 1:3, 2:4] = 1
    drawn[2, 3, 4] = 2
    found = read_labels(write_seg(ct, tmp_path / "ct", drawn, "BINARY"))
    assert found.names == {1: "vertebrae_L1", 2: "femur_left"}
    assert np.array_equal(onto_grid(found.volume, ct.grid).array, drawn)


def test_probabilities_and_images_are_refused_as_labels(tmp_path):
    ct = Volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4) * (-1, -1, 1, 1), Quantity.HU)
    drawn = np.ones((3, 4, 5), np.uint8)
    path = write_seg(ct, tmp_path / "ct", drawn, "FRACTIONAL")
    for file in (path, next((tmp_path / "ct").iterdir())):
        with pytest.raises(InputError, match="no DICOM SEG of binary segments"):
            read_labels(file)
