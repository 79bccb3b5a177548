#!/bin/sh
# On a machine with a network and the same kind of Python and processor as the box: everything that the box needs, in one folder.
#   deploy/edge/pack.sh stripwatch-edge        (LOCK=requirements/gpu.txt for a box with an NVIDIA GPU)
# Carry the folder to the box and run its install.sh there.
set -eu
out=${1:?usage: deploy/edge/pack.sh FOLDER}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
lock=${LOCK:-$root/requirements/demo.txt}
python=${PYTHON:-python3}

if [ -e "$out" ]; then
  echo "error: $out is there already; name a new folder" >&2
  exit 6
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
mkdir "$work/pack" "$work/pack/wheels"
"$work/venv/bin/pip" download -q --require-hashes --only-binary :all: -r "$lock" -d "$work/pack/wheels"
# The build tool is locked too. src holds links to the folders beside it, which a copy must keep.
"$work/venv/bin/pip" install -q --require-hashes -r "$root/requirements/build.txt"
mkdir "$work/source"
for name in src worker training export pyproject.toml README.md LICENSE; do
  cp -RP "$root/$name" "$work/source"
done
"$work/venv/bin/pip" wheel -q --no-index --no-deps --no-build-isolation "$work/source" -w "$work/pack"
cp "$lock" "$work/pack/lock.txt"
cp "$here"/*.service "$here"/*.conf "$here/worker.toml" "$here/install.sh" "$work/pack"
mv "$work/pack" "$out" # only a whole one has the name
echo "packed: $out" >&2
