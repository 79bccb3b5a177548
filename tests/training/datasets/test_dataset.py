import os
from pathlib import Path

import pytest

from stripwatch.export.runs.run_folder import FitTask
from stripwatch.training.datasets.dataset import for_task, no_clean_warning, read_dataset
from stripwatch.training.datasets.samples import Sample
from stripwatch.worker.common.errors import DataError, InputError, SettingsError
from stripwatch.worker.common.path_text import file_below
from tests.training.conftest import touch


def test_a_prefix_is_the_name_up_to_the_last_number(tmp_path: Path) -> None:
    touch(tmp_path, "crazing_12.jpg", "images/rolled-in_scale_3.JPG", "b/pitted_surface_1.png", "x/line_2_7.jpeg")
    dataset = read_dataset(tmp_path, "prefix")
    assert dataset.samples == [
        Sample("b/pitted_surface_1.png", ("pitted_surface",)),
        Sample("crazing_12.jpg", ("crazing",)),
        Sample("images/rolled-in_scale_3.JPG", ("rolled-in_scale",)),
        Sample("x/line_2_7.jpeg", ("line_2",)),
    ]
    assert dataset.labels == ["crazing", "line_2", "pitted_surface", "rolled-in_scale"]


def test_skips_files_that_are_not_images(tmp_path: Path) -> None:
    touch(tmp_path, "a_1.jpg", "b_1.jpg", "notes.txt", "a_1.xml", "._b_1.jpg")
    assert [sample.name for sample in read_dataset(tmp_path, "prefix").samples] == ["a_1.jpg", "b_1.jpg"]


@pytest.mark.parametrize("name", ["crazing.jpg", "12.jpg", "_12.jpg", "crazing_.jpg", "crazing_1a.jpg"])
def test_names_a_file_without_a_class(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "a_1.jpg", "b_1.jpg", name)
    with pytest.raises(DataError, match=f"{name} is not named CLASS_NUMBER"):
        read_dataset(tmp_path, "prefix")


def test_rejects_an_empty_folder(tmp_path: Path) -> None:
    touch(tmp_path, "readme.txt")
    with pytest.raises(InputError, match=r"contains no image files \(\.jpg, .*\)"):
        read_dataset(tmp_path, "prefix")


def test_rejects_a_single_class(tmp_path: Path) -> None:
    touch(tmp_path, "a_1.jpg", "a_2.jpg")
    with pytest.raises(DataError, match="only one class, 'a'"):
        read_dataset(tmp_path, "prefix")


def test_rejects_more_classes_than_a_bundle_supports(tmp_path: Path) -> None:
    touch(tmp_path, *(f"c{number}x_1.jpg" for number in range(1001)))
    with pytest.raises(DataError, match="1001 classes"):
        read_dataset(tmp_path, "prefix")


def test_a_missing_folder_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data folder .* does not exist"):
        read_dataset(tmp_path / "nowhere", "prefix")


def test_an_unknown_layout_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="choose from auto, prefix"):
        read_dataset(tmp_path, "tree")


def test_reads_the_original_neu_cls_layout(tmp_path: Path) -> None:
    touch(tmp_path, "Cr_1.bmp", "Cr_2.bmp", "In_1.bmp", "In_12.BMP", "PS_3.bmp", "RS_4.bmp", "Pa_5.bmp", "Sc_6.bmp")
    assert read_dataset(tmp_path).labels == ["Cr", "In", "PS", "Pa", "RS", "Sc"]


def test_names_with_any_bytes_become_text_that_resolves_to_the_file(tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"data\xff")
    names = [b"pits\xff/a\xfe\n.png", b"pits\\xff/a.png", "Riß/😀.jpg".encode()]
    touch(root, *map(os.fsdecode, names))
    dataset = read_dataset(root)
    assert dataset.samples == [
        Sample("Riß/😀.jpg", ("Riß",)),
        Sample("pits\\x5cxff/a.png", ("pits\\x5cxff",)),
        Sample("pits\\xff/a\\xfe\\x0a.png", ("pits\\xff",)),
    ]
    assert all(file_below(root, sample.name).is_file() for sample in dataset.samples)


def test_a_manifest_refers_to_names_with_any_bytes_as_text(tmp_path: Path) -> None:
    touch(tmp_path, os.fsdecode(b"cam\xff/1.png"), "b/2.png")
    (tmp_path / "manifest.csv").write_text("file,label\ncam\\xff/1.png,pits\nb\\2.png,scratch\n")
    assert [sample.name for sample in read_dataset(tmp_path).samples] == ["b/2.png", "cam\\xff/1.png"]


def test_notes_files_that_are_not_used(tmp_path: Path) -> None:
    touch(tmp_path, "a_1.png", "b_1.png", "c_1.png", "d.gif", ".e_1.png")
    (tmp_path / "manifest.csv").write_text("file,label\na_1.png,a\nb_1.png,b\n")
    dataset = read_dataset(tmp_path)
    assert [(each.name, each.why) for each in dataset.skipped] == [(".e_1.png", "hidden"), ("d.gif", "type .gif")]
    assert dataset.notes[0].startswith("skipping 2 files or folders in ")
    assert "note: 1 of 3 image files in" in dataset.notes[1]


def test_counts_used_and_skipped_files_by_reason_with_the_first_names(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg", *(f"{number}.pdf" for number in range(4)), "pits/Thumbs.db")
    (tmp_path / "manifest.csv").write_text("file,label\n1.jpg,pits\n2.jpg,\n")
    files = read_dataset(tmp_path).files
    assert files.used == 2
    assert files.text == (
        "2 used, 6 skipped: type .pdf: 4 (0.pdf, 1.pdf, 2.pdf, ...), left by the operating system: 1 (pits/Thumbs.db), "
        "not used in layout 'manifest': 1 (3.jpg)"
    )


def test_images_of_a_test_need_not_include_the_clean_label(tmp_path: Path) -> None:
    found = read_dataset(touch(tmp_path, "pits_1.png", "rust_1.png"))
    with pytest.raises(SettingsError, match="--clean-label 'clean' is not a label"):
        for_task(found, "multiclass", "clean")
    for task in ("multiclass", "multilabel"):
        dataset, _ = for_task(found, task, "clean", clean_required=False)
        assert dataset.labels == ["pits", "rust"]
    assert for_task(found, "anomaly", "clean", clean_required=False)[0].samples[0].labels == ("anomaly",)


@pytest.mark.parametrize(
    ("names", "task", "clean_label", "warning"),
    [
        (("pits_1.jpg", "rust_1.jpg"), "multiclass", None, "add images of clean strip"),
        (("ok_1.jpg", "rust_1.jpg"), "multiclass", None, "'ok' seems to be clean strip: fit again with --clean-label"),
        (("ok_1.jpg", "rust_1.jpg"), "multiclass", "ok", None),
        (("pits_1.jpg", "rust_1.jpg"), "multilabel", None, "every image has a label, so the model sees no clean strip"),
        (("ok_1.jpg", "rust_1.jpg"), "multilabel", "ok", None),
    ],
)
def test_warns_if_no_image_is_clean_strip(
    tmp_path: Path, names: tuple[str, ...], task: FitTask, clean_label: str | None, warning: str | None
) -> None:
    dataset, clean = for_task(read_dataset(touch(tmp_path, *names)), task, clean_label)
    found = no_clean_warning(dataset, task, clean)
    assert (found is None) is (warning is None)
    assert (warning or "") in (found or "")
