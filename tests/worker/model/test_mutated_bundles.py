"""Any faulty bundle is rejected with a BundleError; no other exception escapes."""

from pathlib import Path

import numpy as np
import pytest

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.model.loading.open_model import load_bundle
from tests.mutate_bundle import mutate_bundle
from tests.tiny import NOVELTY, TINY_REFERENCE, mapped_contract, tiny_contract, write_bundle

BUNDLES_PER_SEED = 40


@pytest.mark.parametrize("seed", range(5))
def test_a_mutated_bundle_loads_or_is_rejected(tmp_path: Path, seed: int) -> None:
    plain = write_bundle(tmp_path / "plain.onnx", tiny_contract(reference=TINY_REFERENCE)).read_bytes()
    mapped = write_bundle(tmp_path / "mapped.onnx", mapped_contract(novelty=NOVELTY)).read_bytes()
    path = tmp_path / "mutated.onnx"
    refusals: list[str] = []
    for number in range(BUNDLES_PER_SEED):
        path.write_bytes(mutate_bundle(mapped if number % 2 else plain, np.random.default_rng([seed, number])))
        try:
            load_bundle(path, "cpu")
        except BundleError as error:
            refusals.append(str(error))
    assert len(refusals) > BUNDLES_PER_SEED / 2
    assert all(str(path) in refusal and "\n" not in refusal for refusal in refusals)
