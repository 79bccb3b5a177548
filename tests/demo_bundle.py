"""Add the size of the training frames to the demo bundle, which lacks it: `python -m tests.demo_bundle DATA OUT`.

DATA is the training set of the demo's model. Its digest must be that of the data the bundle was trained on, so the size
is measured on the same files. Graph, golden frames and all other metadata are unchanged.
"""

import hashlib
import sys
from pathlib import Path

import msgspec
import onnx

from stripwatch.export.convert.pack import pack
from stripwatch.export.convert.verify import verify
from stripwatch.training.preparation.digests import data_sha256
from stripwatch.worker.bench.demo import DEMO_BUNDLE
from stripwatch.worker.images.headers.reader import read_header
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.trained_range import TrainedFrames


def state_training_frames(data: Path, out: Path) -> TrainedFrames:
    """Write the bundle with the field. The split is unknown, so all frames must have the same size."""
    bundle = read_bundle(DEMO_BUNDLE)
    files = {path.name: path.read_bytes() for path in sorted(data.glob("*.jpg"))}
    digests = ((name, name.rpartition("_")[0], hashlib.sha256(file).hexdigest()) for name, file in files.items())
    if data_sha256(digests) != bundle.manifest.provenance.data_sha256:
        raise SystemExit(f"{data} is not the training set of {DEMO_BUNDLE.name}: the digest differs")
    headers = [read_header(file) for file in files.values()]
    sizes = {(header.width_px, header.height_px) for header in headers}
    if len(sizes) > 1:
        raise SystemExit(f"{data} has frames of several sizes, and it is unknown which were used for training")
    validation = bundle.manifest.validation.frames
    trained = TrainedFrames.of([*sizes] * (len(files) - validation))
    manifest = msgspec.structs.replace(bundle.manifest, trained=trained)
    out.write_bytes(pack(onnx.load_from_string(bundle.model), manifest))
    verify(out)
    return trained


if __name__ == "__main__":
    print(state_training_frames(Path(sys.argv[1]), Path(sys.argv[2])))
