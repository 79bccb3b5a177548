"""Bundles for model reloads: good ones with distinct scores, and invalid ones that workers must reject."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from stripwatch.worker.model.bundle_reader import read_bundle
from tests.faults.judge import Expected
from tests.tiny import LABELS, SPEC, build_model, expected_scores, tiny_contract, write_bundle

SHARPNESSES = (20.0, 16.0, 12.0)


@dataclass(frozen=True, slots=True)
class Models:
    """Bundles. good: bundles by SHA-256. sharpness: parameter of each model."""

    good: dict[str, bytes]
    bad: list[bytes]
    sharpness: dict[str, float]


def make_models(folder: Path) -> Models:
    paths = [_write(folder / f"{sharpness:g}.onnx", sharpness, sharpness) for sharpness in SHARPNESSES]
    shas = [read_bundle(path).sha256 for path in paths]
    whole = paths[0].read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    lying = _write(folder / "lying.onnx", SHARPNESSES[0], SHARPNESSES[1])
    return Models(
        good={sha: path.read_bytes() for sha, path in zip(shas, paths, strict=True)},
        bad=[whole[: len(whole) // 2], bytes(changed), lying.read_bytes(), b"not a model"],
        sharpness=dict(zip(shas, SHARPNESSES, strict=True)),
    )


def expected_by(models: Models) -> Expected:
    """Compute a model's scores of a frame with numpy."""

    def expected(sha256: str, encoded: bytes) -> tuple[str, list[float]] | None:
        sharpness = models.sharpness.get(sha256)
        if sharpness is None:
            return None
        scores = expected_scores(encoded, SPEC, sharpness).tolist()
        return LABELS[scores.index(max(scores))], scores

    return expected


def place(bundle: Path, content: bytes) -> None:
    """Replace the file atomically."""
    part = bundle.with_suffix(".part")
    part.write_bytes(content)
    part.replace(bundle)


def _write(path: Path, sharpness: float, says: float) -> Path:
    """Write a bundle whose golden frames match the sharpness it `says` it has."""
    golden = [
        msgspec.structs.replace(frame, scores=expected_scores(frame.encoded, SPEC, says).tolist())
        for frame in tiny_contract().golden
    ]
    manifest = tiny_contract(version=f"{says:g}", golden=golden)
    return write_bundle(path, manifest, build_model(sharpness=sharpness))
