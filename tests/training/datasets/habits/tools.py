"""Data sets with what tools and people leave in folders."""

from pathlib import Path

from tests.training.datasets.habits.files import masks, pictures, plain_files, two_classes


def tools_of_systems(root: Path) -> None:
    two_classes(root)
    for folder in ("@eaDir/1.png", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__MACOSX"):
        pictures(root, f"{folder}/1.png")
    pictures(root, ".ipynb_checkpoints/1-checkpoint.png", ".Trash-1000/files/1.png", "pits/.ipynb_checkpoints/1.png")
    plain_files(root, "pits/._1.png", "pits/Thumbs.db", "rust/desktop.ini", ".DS_Store", "pits/@eaDir/1.png/SYNO_M.jpg")


def photo_programs(root: Path) -> None:
    two_classes(root)
    pictures(root, "thumbnails/1.png", "pits/thumbs/1.png", "Strip Previews.lrdata/a/1.png", "README.png")
    plain_files(root, "Strip.lrcat")


def version_control(root: Path) -> None:
    two_classes(root)
    pictures(root, ".git/lfs/1.png", ".dvc/cache/1.png", "__pycache__/1.png")
    plain_files(root, ".gitattributes", "pits.dvc")


def output_of_labelme(root: Path) -> None:
    two_classes(root)
    plain_files(root, "pits/1.json")
    pictures(root, "pits/1_json/img.png", "pits/1_json/label_viz.png")
    masks(root, "pits/1_json/label.png")


def output_of_stripwatch(root: Path) -> None:
    two_classes(root)
    pictures(root, "survey/contact-1-pits.png")
    plain_files(root, "survey/survey.json")


def masks_in_a_folder(root: Path) -> None:
    two_classes(root)
    masks(root, "masks/1.png", "ground_truth/2_mask.png")


def masks_next_to_images(root: Path) -> None:
    two_classes(root)
    masks(root, "pits/1_GT.png", "rust/3_mask.png")


def photographs_in_a_mask_folder(root: Path) -> None:
    two_classes(root)
    pictures(root, "masks/1.png")


def masks_of_nothing(root: Path) -> None:
    two_classes(root)
    masks(root, "masks/task-5-annotation-3.png")


def parts_with_a_class(root: Path) -> None:
    pictures(root, "train/pits/1.png", "val/pits/2.png", "rust/3.png")


def names_in_two_spellings(root: Path) -> None:
    two_classes(root)
    pictures(root, "Pits/5.png", "pits /6.png", "Ru st/7.png")


def accents_in_two_encodings(root: Path) -> None:
    pictures(root, *(f"{name}/{at}.png" for at, name in enumerate(["Riss\u00e9", "Risse\u0301", "pits"])))


def images_without_labels(root: Path) -> None:
    pictures(root, "frame a.png", "frame b.png")
