"""Default names of the Kafka topics."""

FRAMES = "inspection.frames"
RESULTS = "inspection.results"
DEFECTS = "inspection.defects"
EVIDENCE = "inspection.evidence"
REJECTS = "inspection.rejects"
REVIEW = "inspection.review"
SHADOW = "inspection.shadow"
COILS = "inspection.coils"
ACKNOWLEDGEMENTS = "inspection.acknowledgements"
CAMERAS = "inspection.cameras"

ALL = (FRAMES, RESULTS, DEFECTS, EVIDENCE, REJECTS, REVIEW, SHADOW, COILS, ACKNOWLEDGEMENTS, CAMERAS)
COMPACTED = (ACKNOWLEDGEMENTS, CAMERAS)  # they keep the newest record of each key
