from pathlib import Path

import keras
import msgspec
import numpy as np
import pytest

from stripwatch.training.fitting.features import feature_cache
from stripwatch.training.fitting.features.feature_cache import features_name, keepable, read_features, write_features
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.images.decode_spec import DecodeSpec, Levels
from tests.trained import tiny_configuration

pytestmark = pytest.mark.training

SPEC = DecodeSpec(64, 64)


def test_features_depend_on_the_mapping_to_8_bits() -> None:
    specs = [SPEC, *(msgspec.structs.replace(SPEC, bit_depth=bits) for bits in (10, 12))]
    specs += [msgspec.structs.replace(SPEC, levels=Levels(0, white)) for white in (0.5, 0.6)]
    names = {features_name(tiny_configuration(), spec, "data", None) for spec in specs}
    assert len(names) == len(specs)


def test_reads_written_features_unchanged(tmp_path: Path) -> None:
    every = np.random.default_rng(0).normal(size=(7, 2, 3)).astype(np.float32)
    write_features(tmp_path / "f.npy", (every[at : at + 3] for at in (0, 3, 6)), every.shape)
    np.testing.assert_array_equal(read_features(tmp_path / "f.npy"), every)
    assert [path.name for path in tmp_path.iterdir()] == ["f.npy"]


def test_an_interrupted_write_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> object:
        yield np.zeros((2, 3), np.float32)
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"cannot write .*f\.npy: No space left on device"):
        write_features(tmp_path / "f.npy", broken(), (4, 3))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_names_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "f.npy").write_bytes(b"half of something")
    with pytest.raises(InputError, match=r"f\.npy.*; delete the file"):
        read_features(tmp_path / "f.npy")


def test_the_file_name_depends_on_exactly_what_features_depend_on() -> None:
    usual = features_name(tiny_configuration(), SPEC, "data", "weights")
    for other in ({"seed": 9}, {"epochs": 3}, {"dropout": 0.5}, {"learning_rate": 1.0}, {"val_share": 0.5}):
        assert features_name(tiny_configuration(**other), SPEC, "data", "weights") == usual
    names = {
        usual,
        *(features_name(tiny_configuration(**c), SPEC, "data", "weights") for c in ({"head": "dense"}, {"cut": "x"})),
        features_name(tiny_configuration(), DecodeSpec(64, 65), "data", "weights"),
        features_name(tiny_configuration(), SPEC, "other", "weights"),
        features_name(tiny_configuration(), SPEC, "data", None),
    }
    assert len(names) == 6


def test_too_many_features_are_not_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = keras.Input((8, 4))
    model = keras.Model(frames, keras.layers.Identity()(frames))
    monkeypatch.setattr(feature_cache, "_BYTES_MAX", 4 * 32 * 10)
    assert keepable(model, 10)
    assert not keepable(model, 11)
    assert not keepable(model, 10, further=1)
