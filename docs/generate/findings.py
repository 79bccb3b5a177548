"""The page of all findings of a survey, from the kinds in the code."""

from docs.generate.markdown import code, page, paragraph, table
from stripwatch.training.preparation.finding_kinds import KINDS, LEVELS

_HEAD = """# Findings about a data set

`stripwatch train survey` reports these findings. Each has a level:

* **error:** the result would certainly be wrong. `fit`, `crossval` and `compare` refuse the data with the same text.
* **warning:** probably wrong, but you may know better. The three commands print the same text and continue.
* **note:** worth knowing. Only the survey reports it.

In `survey.json`, `findings` lists level, code, text and number of files, and `finding_files` lists all files. The
survey ends with exit code 0 whatever it finds; `--fail-on error` or `--fail-on warning` makes it end with exit code 7.
"""
_OPEN = """## Limits

Outliers are judged against the images of the same class if there are at least ten. Smaller classes have none. A
value is an outlier if the [modified z-score](https://www.itl.nist.gov/div898/handbook/eda/section3/eda35h.htm) of its
logarithm exceeds 3.5 and it differs from the median by a factor of at least 1.5. Brightness is the mean grey value,
contrast the standard deviation, and sharpness the mean difference of neighbouring pixels divided by the brightness, as
the worker measures them.

A property of the files depends on the class if its share in the class exceeds that in the other classes by at least a
quarter, and by more than chance (Fisher's exact test, 0.001). Ten images of one class in one size and ten of another
class in a second size are enough. JPEG quality is estimated from the quantization table, as libjpeg computes it.

Identical images with different labels are always refused. One of the labels is wrong, or both belong to
the image: list them in `manifest.csv` and use `--task multilabel`.
"""


def findings_page() -> str:
    """Return the page with every kind of finding, by level."""
    blocks = [_HEAD]
    for level in LEVELS:
        rows = [[code(name), kind.meaning, kind.remedy or "-"] for name, kind in KINDS.items() if kind.level == level]
        blocks += [f"## {level.capitalize()}s", table(["code", "meaning", "what to do"], rows)]
    return page(*blocks, _OPEN, paragraph("See [Label images](../how-to/process-engineer/label.md#4-check-the-set)."))
