"""Facts about the data and the detectors of a run, as recorded in run.json."""
