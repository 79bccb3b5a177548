import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.images.decode_spec import DecodeSpec, Levels
from stripwatch.worker.model.bundle import GoldenFrame, Threshold
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.manifest_codec import MANIFEST_KEY, decode_manifest, encode_manifest
from stripwatch.worker.model.reference import ClassScores
from tests.tiny import LABELS, NOVELTY, TINY_REFERENCE, tiny_contract, watchful_contract, write_bundle


def test_stores_the_mapping_to_8_bits_only_if_it_is_used(tmp_path: Path) -> None:
    spec = DecodeSpec(16, 24, bit_depth=12, levels=Levels(0.02, 0.9))
    manifest = replace(tiny_contract(), decode=spec)
    assert read_bundle(write_bundle(tmp_path / "a.onnx", manifest)).manifest.decode == spec
    plain = json.loads(encode_manifest(tiny_contract())[MANIFEST_KEY])["decode"]
    assert set(plain) <= {"height_px", "width_px"}  # workers of earlier versions reject unknown fields


def test_golden_frames_have_a_novelty_score_only_if_the_bundle_has_one() -> None:
    golden = json.loads(encode_manifest(tiny_contract())[MANIFEST_KEY])["golden"]
    assert all(set(frame) == {"name", "label", "encoded", "scores"} for frame in golden)  # as in earlier versions


def test_keeps_a_reference_and_accepts_older_bundles_without_one(tmp_path: Path) -> None:
    manifest = tiny_contract(reference=TINY_REFERENCE)
    assert read_bundle(write_bundle(tmp_path / "a.onnx", manifest)).manifest.reference == TINY_REFERENCE
    older = json.loads(encode_manifest(manifest)[MANIFEST_KEY])
    del older["reference"]
    assert decode_manifest({MANIFEST_KEY: json.dumps(older)}).reference is None
    with pytest.raises(BundleError, match="its reference has a class that is not among its labels"):
        encode_manifest(tiny_contract(reference=replace(TINY_REFERENCE, classes={"x": ClassScores(1, 1, 0)})))


def test_ignores_unknown_fields() -> None:
    text = encode_manifest(tiny_contract())[MANIFEST_KEY]
    assert decode_manifest({MANIFEST_KEY: '{"new": 1, ' + text[1:]}) == tiny_contract()


def test_names_the_malformed_field_of_a_manifest() -> None:
    fields = msgspec.json.decode(encode_manifest(tiny_contract())[MANIFEST_KEY])
    fields["decode"]["width_px"] = "wide"
    with pytest.raises(BundleError, match=r"decode\.width_px"):
        decode_manifest({MANIFEST_KEY: msgspec.json.encode(fields).decode()})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"labels": [], "thresholds": {}}, "0 labels"),
        ({"labels": [f"l{i}" for i in range(1001)]}, "1001 labels"),
        ({"labels": ["dark", "grey", "bright", "dark"]}, "duplicate label"),
        ({"clean_label": "spotless"}, "'spotless'"),
        ({"thresholds": {"dark": Threshold()}}, "thresholds"),
        ({"thresholds": {label: Threshold(0.5, 0.6) for label in LABELS}}, "must satisfy 0 <= unsure <= sure <= 1"),
        ({"thresholds": {label: Threshold(9, 0.5) for label in LABELS}}, "must satisfy 0 <= unsure <= sure <= 1"),
        ({"labels": ["dark", "grey", "br\night"]}, "unprintable"),
        ({"labels": ["dark", "grey", "b" * 201]}, "longer than 200 characters"),
        ({"decode": DecodeSpec(0, 0)}, "width and height must be 1 to 8192"),
        ({"decode": DecodeSpec(40_000, 40_000)}, "width and height must be 1 to 8192"),
        ({"decode": DecodeSpec(16, 24, bit_depth=8)}, "its bit depth is 8; 9 to 16"),
        ({"decode": DecodeSpec(16, 24, bit_depth=17)}, "its bit depth is 17"),
        ({"decode": DecodeSpec(16, 24, levels=Levels(-0.1, 1.0))}, "its levels are black -0.1 and white 1;"),
        ({"decode": DecodeSpec(16, 24, levels=Levels(0.5, 0.5))}, "its levels"),
        ({"decode": DecodeSpec(16, 24, levels=Levels(0.0, 1.01))}, "its levels"),
        ({"decode": DecodeSpec(16, 24, levels=Levels(0.0, math.nan))}, "its levels"),
        ({"decode": DecodeSpec(16, 24, levels=Levels(0.0, math.inf))}, "its levels"),
        ({"score_tolerance": 1e300}, "score tolerance"),
        ({"score_tolerance": 0.0}, "score tolerance"),
        ({"golden": []}, "no golden frames"),
        ({"golden": [GoldenFrame("g", "dark", b"", [1.0])]}, "'g'"),
        ({"golden": [GoldenFrame("g", "pink", b"", [0.1] * len(LABELS))]}, "'g'"),
    ],
)
def test_rejects_an_invalid_manifest(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BundleError, match=sentence):
        encode_manifest(replace(tiny_contract(), **changes))


def test_a_contract_that_is_nested_without_end_is_refused() -> None:
    text = encode_manifest(tiny_contract())[MANIFEST_KEY]
    with pytest.raises(BundleError, match="malformed"):
        decode_manifest({MANIFEST_KEY: '{"new": ' + "[" * 100_000 + "]" * 100_000 + ", " + text[1:]})


def test_keeps_the_novelty_threshold_and_accepts_older_bundles_without_one(tmp_path: Path) -> None:
    manifest = watchful_contract()
    assert read_bundle(write_bundle(tmp_path / "a.onnx", manifest)).manifest == manifest
    older = json.loads(encode_manifest(tiny_contract())[MANIFEST_KEY])
    del older["novelty"]
    read = decode_manifest({MANIFEST_KEY: json.dumps(older)})
    assert read.novelty is None
    assert "novelty: frames unlike the training frames are not detected" in read.lacks
    assert not any(each.startswith("novelty") for each in manifest.lacks)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"threshold": math.nan}, "its novelty threshold is nan"),
        ({"threshold": 0.0}, "its novelty threshold is 0; it must be a finite number above 0"),
        ({"threshold": -1.5}, "its novelty threshold is -1.5"),
        ({"threshold": math.inf}, "its novelty threshold is inf"),
        ({"false_alarm_rate": 0.0}, "its false-alarm rate is 0"),
        ({"false_alarm_rate": 1.0}, "its false-alarm rate is 1"),
        ({"tolerance": 0.0}, "its novelty tolerance is 0"),
        ({"tolerance": math.inf}, "its novelty tolerance is inf"),
        ({"measured_share": 1.5}, r"its measured share of novel frames is 1\.5"),
        ({"frames": -1}, "its novelty threshold was chosen with -1 frames"),
    ],
)
def test_rejects_an_invalid_novelty_threshold(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BundleError, match=sentence):
        encode_manifest(tiny_contract(novelty=replace(NOVELTY, **changes)))


@pytest.mark.parametrize("novelty", [None, math.nan])
def test_rejects_a_golden_frame_without_the_novelty_score_that_the_threshold_needs(novelty: float | None) -> None:
    manifest = watchful_contract()
    golden = [replace(manifest.golden[0], novelty=novelty), *manifest.golden[1:]]
    with pytest.raises(BundleError, match=r"its golden frame 'dark\.png' has no finite novelty score"):
        encode_manifest(replace(manifest, golden=golden))
