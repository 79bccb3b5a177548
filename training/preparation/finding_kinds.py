"""Kinds of findings about a data set: level, meaning and remedy. They are also the page docs/reference/findings.md."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding. meaning, remedy: sentences for the documentation. level: of all findings of this kind."""

    level: Level
    meaning: str
    remedy: str


KINDS: dict[str, Kind] = {
    # errors
    "unreadable-files": Kind(
        "error",
        "Files cannot be read or decoded, or are truncated.",
        "Replace or remove them.",
    ),
    "bit-depth": Kind(
        "error",
        "Samples of more than 8 bits do not have the depth that their files declare, or their depth is unknown.",
        "Pass the bit depth of the camera as `--bit-depth`, or correct the files.",
    ),
    "contradictory-labels": Kind(
        "error",
        "Images with identical pixels have different labels. At least one of the labels is wrong, and the same frame "
        "cannot be both.",
        "Keep one of each pair.",
    ),
    "class-in-one-group": Kind(
        "error",
        "All images of a class belong to one group of near duplicates or to one coil, so the class cannot be in both "
        "the training and the validation part.",
        "Add images of the class, or remove it.",
    ),
    "unusable-labels": Kind(
        "error",
        "An image has labels that exclude each other, such as clean and a defect.",
        "Correct the labels.",
    ),
    "unusable-annotations": Kind(
        "error",
        "Annotations are malformed, outside of their image, for an image of another size, or have an unknown label.",
        "Correct all of them; survey.json lists them.",
    ),
    # warnings: labels
    "no-clean-images": Kind(
        "warning",
        "No class is clean strip, or it is not known which one, so a model calls every frame of clean strip a defect "
        "or unsure.",
        "Add images of clean strip with a label of their own, and pass it to fit as `--clean-label`.",
    ),
    "alike-labels": Kind(
        "warning",
        "Class names differ only in case, blanks, separators or the encoding of accents.",
        "Pass `--merge-labels`, or rename the classes.",
    ),
    "placeholder-labels": Kind(
        "warning",
        "A class is named like a folder of images that nobody has sorted, such as `unknown` or `temp`, or like the "
        "files of a camera, such as `IMG`. A model learns it like a kind of defect.",
        "Sort its images into the other classes, or remove them.",
    ),
    "repeated-subfolders": Kind(
        "warning",
        "Folders below several classes have the same names, such as `line1/pits` and `line2/pits`. In layout "
        "`folder` the first folder is the class, so a model learns to tell the lines apart and not the defects.",
        "If the folders below are the classes, move the images into one folder per class, or list them in "
        "manifest.csv with the columns file and label.",
    ),
    "imbalanced-classes": Kind(
        "warning",
        "The largest class has more than 20 times as many images as the smallest.",
        "Add images of the rare classes, or pass `--class-weights` to fit.",
    ),
    "small-classes": Kind(
        "warning",
        "A class has fewer than 10 images for validation in the split of `fit`, so its figures are uncertain.",
        "Add images, or use `crossval`, which validates on every image.",
    ),
    "few-groups": Kind(
        "warning",
        "At least half of the images of a class are near duplicates of others or from the same coils, and they form "
        "fewer than 10 groups.",
        "Add images of other coils.",
    ),
    # warnings: duplicates and splits
    "disputed-duplicates": Kind(
        "warning",
        "Images are nearly identical but have different labels.",
        "Compare each pair and correct the labels, or keep one image.",
    ),
    "leak-between-parts": Kind(
        "warning",
        "Folders such as train and val share near duplicates or coils, so figures on this split are optimistic. `fit` "
        "makes its own split, which keeps such images together.",
        "Do not compare with figures that were measured on these folders, and move the duplicates into one of them.",
    ),
    "leak-in-split": Kind(
        "warning",
        "The split of `--split` has near duplicates or images of one coil in both parts, so the validation figures are "
        "optimistic.",
        "Omit `--split` to keep such images together.",
    ),
    "leak-to-test": Kind(
        "warning",
        "Test images are near duplicates of images of the data set, or from the same coils, so figures on them are "
        "optimistic.",
        "Remove them from one of the two folders.",
    ),
    # warnings: annotations
    "boxes-of-other-labels": Kind(
        "warning",
        "Boxes or masks have a label that their image does not have.",
        "Correct the label of the box or of the image, or list all labels of the image and use `--task multilabel`.",
    ),
    "boxes-with-two-labels": Kind(
        "warning",
        "Two boxes at the same place have different labels.",
        "Keep one of them.",
    ),
    "tiny-boxes": Kind(
        "warning",
        "Boxes are only up to 2 pixels wide or high, as after a click without a drag.",
        "Remove them, or draw them again.",
    ),
    "empty-annotations": Kind(
        "warning",
        "The annotation of an image of a defect is empty: no box, or a black mask.",
        "Mark the defect, or correct the label of the image.",
    ),
    "repeated-boxes": Kind(
        "note",
        "Boxes with the same label are at the same place more than once.",
        "Remove the copies.",
    ),
    "huge-boxes": Kind(
        "note",
        "Boxes cover at least 95 % of their image, so they do not say where the defect is.",
        "Draw them more closely if the defect is smaller.",
    ),
    "annotation-notes": Kind(
        "note",
        "Annotations were clipped at the edge of their image, or belong to images that are not in the data set.",
        "",
    ),
    "annotations-may-be-turned": Kind(
        "warning",
        "Annotated images have an EXIF rotation that training and the worker ignore, and their size does not show "
        "whether the annotations were drawn on the rotated image.",
        "Rotate the pixels and remove the EXIF orientation.",
    ),
    # warnings: pixels
    "blank-frames": Kind(
        "warning",
        "Images have nearly one grey value (standard deviation below 1 of 255).",
        "Remove them: they show no strip.",
    ),
    "dark-frames": Kind(
        "warning",
        "Images are nearly black: 99 % of the pixels are below 10 % of the range.",
        "Check light and exposure, and remove them if nothing can be seen.",
    ),
    "overexposed-frames": Kind(
        "warning",
        "Images are blown out: at least half of the pixels have the largest grey values (250 and above).",
        "Check light and exposure, and remove them if nothing can be seen.",
    ),
    "brightness-outliers": Kind(
        "note",
        "Images are much brighter or darker than the others of their class.",
        "Check their light, exposure and focus on the page of the survey.",
    ),
    "contrast-outliers": Kind(
        "note",
        "Images have much more or less contrast than the others of their class.",
        "Check their light, exposure and focus on the page of the survey.",
    ),
    "sharpness-outliers": Kind(
        "note",
        "Images are much sharper or more blurred than the others of their class.",
        "Check their light, exposure and focus on the page of the survey.",
    ),
    # files
    "sizes-by-class": Kind(
        "warning",
        "A class has image sizes that the others do not have, so a model can learn the size instead of the defect.",
        "Collect images of all classes with the same camera settings, or crop them to one size.",
    ),
    "formats-by-class": Kind(
        "warning",
        "A class has a file format or JPEG quality that the others do not have, so a model can learn the traces of "
        "compression instead of the defect.",
        "Store images of all classes in the format that the cameras send.",
    ),
    "colour-by-class": Kind(
        "warning",
        "A class is grey and others are in colour, so a model can learn the colour instead of the defect.",
        "Pass `--decode grey` to fit, or use the same camera for all classes.",
    ),
    "bit-depth-by-class": Kind(
        "warning",
        "A class has a bit depth that the others do not have, so a model can learn it instead of the defect.",
        "Collect images of all classes with the same camera settings.",
    ),
    "exif-rotation": Kind(
        "warning",
        "Some images have an EXIF rotation, which viewers apply but training and the worker ignore, so the strip runs "
        "in different directions.",
        "Rotate the pixels and remove the EXIF orientation.",
    ),
    "mixed-colour": Kind(
        "note",
        "Some images are grey and some are in colour.",
        "`fit` uses colour, unless you pass `--decode grey` because colour does not matter.",
    ),
    "grey-in-colour": Kind(
        "note",
        "All images are grey but are stored with three colour channels.",
        "`fit` decodes them as grey, which saves the worker time.",
    ),
    "mixed-sizes": Kind(
        "note",
        "Images have several sizes.",
        "The worker flags frames of other sizes than those of the training images.",
    ),
    "mixed-aspect-ratios": Kind(
        "note",
        "Images have several aspect ratios. All are stretched to the input of the network, which distorts them "
        "differently.",
        "Crop them to one aspect ratio.",
    ),
    "mixed-formats": Kind("note", "Images have several file formats.", "Train on the format that the cameras send."),
    "mixed-bit-depths": Kind("note", "Images have several bit depths.", ""),
    "small-defects": Kind(
        "note",
        "Half of the boxes would be smaller than 8 pixels at an input of 224x224, so a network hardly sees them.",
        "Pass a larger `--input` to fit.",
    ),
    "same-images": Kind(
        "note", "Images have identical pixels and the same labels.", "`fit` keeps them in one part of the split."
    ),
    "near-duplicates": Kind(
        "note",
        "Images with the same labels are nearly identical: brighter, smaller or compressed again.",
        "`fit` keeps them in one part of the split.",
    ),
    "parts-not-used": Kind(
        "note",
        "The data set was split by others into folders such as train and val.",
        "`fit` reads it as one set and makes its own split.",
    ),
    "subfolders": Kind(
        "note",
        "Folders of classes have folders below them, such as `NOK/pits` or `pits/coil_7`, which layout `folder` does "
        "not distinguish.",
        "If the folders below are classes, move the images into one folder per class, or list them in manifest.csv; if "
        "they are coils, manifest.csv can state them in a column coil, so that `fit` keeps each coil in one part.",
    ),
    "empty-classes": Kind(
        "note",
        "A folder next to those of the classes has no files, so a model does not know this class.",
        "Add images, or remove the folder.",
    ),
    "skipped-files": Kind("note", "Files or folders are not read as images.", ""),
    "repeated-rows": Kind(
        "note",
        "Images have several rows in `manifest.csv` whose labels differ. They have all of these labels.",
        "If each image has one label, keep the right row.",
    ),
    "empty-rows": Kind("note", "Rows of `manifest.csv` without any text, as Excel writes them, are skipped.", ""),
    "unused-annotations": Kind(
        "note",
        "Annotation files in the data folder are not read, because `--boxes` was not given or names other files.",
        "Pass `--boxes PATH` to check them, and to `fit --head dense` to train on them.",
    ),
    "unused-images": Kind("note", "Image files are not used in this layout.", ""),
}
