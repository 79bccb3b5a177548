#!/bin/sh
# Packs everything that an edge machine needs into one folder. Run it on a machine with a network, and with the same
# Python version and processor architecture as the edge machine:
#   deploy/edge/pack.sh stripwatch-edge        (LOCK=requirements/gpu.txt for a machine with an NVIDIA GPU)
# Copy the folder to the edge machine and run its install.sh there.
set -eu
out=${1:?usage: deploy/edge/pack.sh FOLDER}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
lock=${LOCK:-$root/requirements/demo.txt}
python=${PYTHON:-python3}

if [ -e "$out" ]; then
  echo "error: $out already exists; choose a new folder" >&2
  exit 6
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
mkdir "$work/pack" "$work/pack/wheels"
"$work/venv/bin/pip" download -q --require-hashes --only-binary :all: -r "$lock" -d "$work/pack/wheels"
# The build tool is locked too. src contains links to the other folders, which the copy must preserve.
"$work/venv/bin/pip" install -q --require-hashes -r "$root/requirements/build.txt"
mkdir "$work/source"
for name in src worker training export pyproject.toml README.md LICENSE; do
  cp -RP "$root/$name" "$work/source"
done
"$work/venv/bin/pip" wheel -q --no-index --no-deps --no-build-isolation "$work/source" -w "$work/pack"
cp "$lock" "$work/pack/lock.txt"
cp "$here"/*.service "$here"/*.conf "$here/worker.toml" "$here/install.sh" "$work/pack"
mv "$work/pack" "$out" # only a complete folder gets the final name
echo "packed: $out" >&2
