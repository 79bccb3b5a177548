from stripwatch.worker.common.terminal.file_counts import FileCounts, SkippedFiles, count_files, with_counts


def test_names_the_first_files_of_each_reason_the_most_frequent_first() -> None:
    counts = count_files(1200, {"hidden": [".a"], "type .pdf": ["1.pdf", "2.pdf", "3.pdf", "4.pdf"], "none": []})
    assert list(counts.skipped) == ["type .pdf", "hidden"]
    assert counts.text == "1,200 used, 5 skipped: type .pdf: 4 (1.pdf, 2.pdf, 3.pdf, ...), hidden: 1 (.a)"
    assert FileCounts(3, {}).text == "3 used, 0 skipped"
    assert count_files(3, {}, annotations=1).text == "3 used and 1 annotation file, 0 skipped"


def test_counts_are_at_the_end_of_the_table_and_in_the_json_object() -> None:
    counts = FileCounts(2, {"hidden": SkippedFiles(1, [".a"])})
    summary, facts = with_counts({"sent": 2, "files_skipped": 1}, counts)
    assert summary["file_counts"] == {"used": 2, "skipped": {"hidden": {"files": 1, "first": [".a"]}}}
    assert summary["files_skipped"] == 1
    assert facts == {"sent": "2", "files": "2 used, 1 skipped: hidden: 1 (.a)"}
    assert with_counts({"sent": 2}, None, {}) == ({"sent": 2}, {})
