import csv
from collections import Counter
from pathlib import Path

import pytest

from stripwatch.training.datasets.dataset import for_task, read_dataset
from stripwatch.training.datasets.samples import Sample
from stripwatch.worker.common.errors import DataError, InputError, SettingsError
from tests.training.conftest import touch


def write(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def test_the_class_is_the_first_folder_of_the_path(tmp_path: Path) -> None:
    touch(tmp_path, "scratch/1.jpg", "pits/1.jpg", "pits/night shift/2.png")
    dataset = read_dataset(tmp_path)
    assert dataset.layout == "folder"
    assert dataset.samples == [
        Sample("pits/1.jpg", ("pits",)),
        Sample("pits/night shift/2.png", ("pits",)),
        Sample("scratch/1.jpg", ("scratch",)),
    ]


def test_detects_prefixes_in_one_folder_or_none(tmp_path: Path) -> None:
    touch(tmp_path, "images/pits_1.jpg", "images/scratch_1.jpg")
    assert read_dataset(tmp_path).layout == "prefix"
    assert read_dataset(tmp_path / "images").layout == "prefix"


def test_detects_folders_whose_prefixes_agree(tmp_path: Path) -> None:
    touch(tmp_path, "pits/pits_1.jpg", "scratch/scratch_2.jpg")
    assert read_dataset(tmp_path).layout == "folder"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["line1/pits_1.jpg", "line2/scratch_1.jpg"], r"folder \(line1, line2\) or prefix \(pits, scratch\); choose"),
        (["train/pits/1.jpg", "val/pits/2.jpg"], "has only one class, pits; training needs at least two"),
        (["train/1.jpg", "val/2.jpg"], "contains the folders train, val, which are parts and not classes"),
        (
            ["pits/1.jpg", "scratch/1.jpg", "odd.jpg"],
            r"layout of [^:]*: \S*odd\.jpg is not in a folder named after its class; sort .*'prefix' \(.*odd\.jpg is",
        ),
        (["a/x_1.jpg", "b/x_1.jpg", "x_2.jpg"], r"a/x_1\.jpg and .*b/x_1\.jpg have the same name"),
        (
            ["pits/1.jpg", "pits/1.png", "rust/1.jpg"],
            r"layout of [^:]*: \S*pits/1\.jpg and .*1\.png have the same name",
        ),
        (
            ["pits_1.jpg", "pits_2.jpg"],
            r"has only one class, pits; training needs at least two; .* use fit --task anomaly$",
        ),
    ],
)
def test_rejects_an_ambiguous_layout_and_names_the_file(tmp_path: Path, names: list[str], message: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


def test_a_folder_without_images_is_an_input_error_as_in_every_command(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(InputError, match=r"contains no image files \(\.jpg, .*\); it contains type \.txt: 1"):
        read_dataset(tmp_path)


def test_reads_labels_in_rows_or_lists_and_coils_from_a_manifest(tmp_path: Path) -> None:
    touch(tmp_path, "x/1.jpg", "x/2.jpg", "3.png", "4.png", "not named.jpg")
    write(
        tmp_path / "manifest.csv",
        "file,label,coil",
        "x/1.jpg,scratch,C1",
        "x/1.jpg,pits,C1",
        "./x/2.jpg,pits | edge crack,C1",
        "3.png,,C2",
        '"4.png",pits,',
    )
    dataset = read_dataset(tmp_path)
    assert dataset.layout == "manifest"
    assert dataset.samples == [
        Sample("3.png", (), "C2"),
        Sample("4.png", ("pits",), None),
        Sample("x/1.jpg", ("pits", "scratch"), "C1"),
        Sample("x/2.jpg", ("edge crack", "pits"), "C1"),
    ]
    assert dataset.labels == ["edge crack", "pits", "scratch"]


def test_reads_a_manifest_saved_by_excel(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")
    write(tmp_path / "manifest.csv", "file;label\r", "1.jpg;Riß\r", "2.jpg;pits\r", encoding="utf-8-sig")
    assert read_dataset(tmp_path).labels == ["Riß", "pits"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["name,label", "1.jpg,a"], r"manifest\.csv needs the columns file and label, .* but has name, label"),
        (["file,label", "1.jpg,a", "gone.jpg,b"], r"manifest\.csv line 3: the file .*gone\.jpg does not exist"),
        (["file,label", "../1.jpg,a"], r"line 2: '\.\./1\.jpg' is not a path inside the data folder"),
        (
            ["file,label,coil", "1.jpg,a,C1", "1.jpg,b,C2"],
            r"line 3: 1\.jpg belongs to coil 'C2' here, but to coil 'C1' above",
        ),
        (["file,label", "1.jpg,a,b"], "line 2: the number of cells differs"),
        (
            ["file,label", "1.jpg,a,b", "gone.jpg,a", "2.jpg", '1.jpg,"a"b'],
            r"4 problems in .*: .*line 2: the number .*line 3: the file .*line 4: the number .*line 5 is not valid",
        ),
        (["file,label", '1.jpg,"a"b'], "line 2 is not valid CSV"),
        (["file,label", "1.jpg,a", "2.jpg,a"], "only one class, 'a'"),
        (["file,label", "1.jpg,", "2.jpg,"], "only one class, images without a label"),
        ([""], "needs the columns file and label, in small letters .* but has none"),
        (["file,label"], r"manifest\.csv lists no images; add a row for each image"),
    ],
)
def test_rejects_a_malformed_manifest_and_names_the_line(tmp_path: Path, lines: list[str], message: str) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")
    write(tmp_path / "manifest.csv", *lines)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


def test_rejects_a_manifest_in_another_encoding(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg")
    write(tmp_path / "manifest.csv", "file,label", "1.jpg,Riß", encoding="latin-1")
    with pytest.raises(DataError, match=r"manifest\.csv: it is not UTF-8 text"):
        read_dataset(tmp_path)


SEPARATE = ["ImageId,ClassId,EncodedPixels", "a.jpg,1,1 3", "a.jpg,3,10 5 20 5", "b.jpg,4,409600 1"]
COMBINED = ["ImageId_ClassId,EncodedPixels", *(f"{image}.jpg_{number}," for image in "abc" for number in range(1, 5))]
COMBINED[1], COMBINED[3], COMBINED[8] = "a.jpg_1,1 3", "a.jpg_3,10 5 20 5", "b.jpg_4,409600 1"


@pytest.mark.parametrize("lines", [SEPARATE, COMBINED])
def test_reads_severstal_in_both_column_layouts(tmp_path: Path, lines: list[str]) -> None:
    touch(tmp_path, "train_images/a.jpg", "train_images/b.jpg", "train_images/c.jpg", "test_images/d.jpg")
    write(tmp_path / "train.csv", *lines)
    dataset = read_dataset(tmp_path)
    assert dataset.layout == "severstal"
    assert dataset.samples == [
        Sample("train_images/a.jpg", ("defect_1", "defect_3")),
        Sample("train_images/b.jpg", ("defect_4",)),
        Sample("train_images/c.jpg", ()),
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["Image,Class", "a.jpg,1"], r"train\.csv has the columns Image, Class; expected"),
        ([*SEPARATE, "z.jpg,1,1 3"], r"train\.csv line 5: the image .*z\.jpg does not exist"),
        ([*SEPARATE, "a.jpg,1,9 3"], r"line 5: a\.jpg already has a row for class 1"),
        ([*SEPARATE, "c.jpg,5,1 3"], "line 5: class '5' is unknown; expected one of 1, 2, 3, 4"),
        ([*SEPARATE, "c.jpg,1,409600 2"], "line 5: the mask extends to pixel 409601, but"),
        ([*SEPARATE, "c.jpg,1,5"], "line 5: the mask is not a list of START LENGTH pairs: '5'"),
    ],
)
def test_rejects_a_malformed_train_csv_and_names_the_line(tmp_path: Path, lines: list[str], message: str) -> None:
    touch(tmp_path, "train_images/a.jpg", "train_images/b.jpg", "train_images/c.jpg")
    write(tmp_path / "train.csv", *lines)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


def test_rejects_train_csv_without_images(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", *SEPARATE)
    with pytest.raises(DataError, match=r"the image folder .*train_images that belongs to .*train\.csv does not exist"):
        read_dataset(tmp_path)


def test_severstal_label_counts_match_the_published_ones(shared: Path, tmp_path: Path) -> None:
    with (shared / "data" / "severstal" / "image_labels_all.csv").open(newline="") as file:
        images = [row for row in csv.DictReader(file) if row["split"] == "train_images"]
    folder = tmp_path / "train_images"
    folder.mkdir()
    lines = ["ImageId,ClassId,EncodedPixels"]
    for row in images:
        (folder / row["ImageId"]).touch()
        lines += [f"{row['ImageId']},{number},1 1" for number in range(1, 5) if int(row[f"objects_{number}"])]
    write(tmp_path / "train.csv", *lines)
    dataset = read_dataset(tmp_path)
    assert len(dataset.samples) == 12568
    counts = Counter(label for sample in dataset.samples for label in sample.labels)
    assert [counts[f"defect_{number}"] for number in range(1, 5)] == [897, 247, 5150, 801]
    assert sum(not sample.labels for sample in dataset.samples) == 5902


def test_reads_the_shared_strips_as_a_manifest(shared: Path) -> None:
    dataset = read_dataset(shared / "data" / "severstal")
    assert dataset.layout == "manifest"
    counts = Counter(label for sample in dataset.samples for label in sample.labels or ("none",))
    assert (len(dataset.samples), counts) == (47, {"1": 7, "2": 1, "3": 32, "4": 10, "none": 3})
    assert Sample("images/03db6bbc3.jpg", ("3", "4")) in dataset.samples


def test_multiclass_rejects_several_labels_and_labels_clean_images(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    manifest = write(tmp_path / "manifest.csv", "file,label", "1.jpg,a|b", "2.jpg,b", "3.jpg,")
    dataset = read_dataset(tmp_path)
    with pytest.raises(DataError, match=r"1\.jpg has 2 labels, a and b: .* use --task multilabel"):
        for_task(dataset, "multiclass", None)
    assert for_task(dataset, "multilabel", None) == (dataset, None)
    write(manifest, "file,label", "1.jpg,a", "2.jpg,b", "3.jpg,")
    for asked, given in ((None, "clean"), ("good", "good")):
        changed, clean_label = for_task(read_dataset(tmp_path), "multiclass", asked)
        assert (clean_label, changed.labels) == (given, ["a", "b", given])


def test_multilabel_treats_the_clean_class_as_no_label(tmp_path: Path) -> None:
    touch(tmp_path, "good_1.jpg", "pits_1.jpg")
    dataset = read_dataset(tmp_path)
    assert for_task(dataset, "multiclass", None) == (dataset, None)
    assert for_task(dataset, "multiclass", "good") == (dataset, "good")
    changed, clean_label = for_task(dataset, "multilabel", "good")
    assert [sample.labels for sample in changed.samples] == [(), ("pits",)]
    assert (clean_label, changed.labels) == (None, ["pits"])


def test_the_clean_label_must_exist_and_exclude_other_labels(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")
    write(tmp_path / "manifest.csv", "file,label", "1.jpg,good|pits", "2.jpg,pits")
    dataset = read_dataset(tmp_path)
    with pytest.raises(DataError, match=r"1\.jpg is labelled 'good' and has other labels, too"):
        for_task(dataset, "multilabel", "good")
    with pytest.raises(SettingsError, match="--clean-label 'fine' is not a label; choose from good, pits"):
        for_task(dataset, "multilabel", "fine")


@pytest.mark.parametrize("names", [["pits/1.jpg", "pits/2.jpg"], ["pits_1.jpg", "pits_2.jpg"]])
def test_a_single_class_that_may_be_a_defect_is_not_taken_as_clean(tmp_path: Path, names: list[str]) -> None:
    touch(tmp_path, *names)
    dataset = read_dataset(tmp_path, one_class=True)
    with pytest.raises(SettingsError, match="--clean-label with the only class pits, or --layout flat"):
        for_task(dataset, "anomaly", None)
    changed, clean_label = for_task(dataset, "anomaly", "pits")
    assert clean_label == "pits"
    assert {sample.labels for sample in changed.samples} == {("pits",)}
    changed, clean_label = for_task(read_dataset(tmp_path, "flat", one_class=True), "anomaly", None)
    assert clean_label == "clean"
    assert {sample.labels for sample in changed.samples} == {("clean",)}


@pytest.mark.parametrize("names", [["IMG_0001.jpg", "IMG_0002.jpg"], ["img_1.jpg", "DSC_2.jpg"]])
def test_files_of_a_camera_are_clean_images_of_an_anomaly_model_and_not_a_class(
    names: list[str], tmp_path: Path
) -> None:
    touch(tmp_path, *names)
    dataset = read_dataset(tmp_path, one_class=True)
    assert dataset.layout == "flat"
    assert for_task(dataset, "anomaly", None)[1] == "clean"


def test_the_usual_names_of_clean_images_are_recognized(tmp_path: Path) -> None:
    touch(tmp_path, "Good/1.jpg", "pits/1.jpg")
    changed, clean_label = for_task(read_dataset(tmp_path), "anomaly", None)
    assert clean_label == "Good"
    assert [sample.labels for sample in changed.samples] == [("Good",), ("anomaly",)]
    touch(tmp_path, "ok/1.jpg")
    with pytest.raises(SettingsError, match="--clean-label with one of Good, ok, pits"):
        for_task(read_dataset(tmp_path), "anomaly", None)
