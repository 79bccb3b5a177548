from pathlib import Path

import pytest

from stripwatch.training.survey.survey import SurveySettings, run_survey


@pytest.mark.long
def test_reports_the_boxes_of_neu_whose_label_differs_from_the_file_name(shared: Path) -> None:
    data = shared / "data" / "neu-det"
    found = {each.code: each for each in run_survey(SurveySettings(data, boxes=data / "annotations")).findings}
    wrong = found["boxes-of-other-labels"]
    assert wrong.text.startswith("159 of 3,619 boxes, in 108 images, have a label that the image does not have (")
    assert (wrong.level, len(wrong.files)) == ("warning", 108)
    assert not [code for code, each in found.items() if each.level == "error"]
