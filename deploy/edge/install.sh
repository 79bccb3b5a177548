#!/bin/sh
# Installs or updates the worker on a box without a network, from the folder that pack.sh made. As root:
#   ./install.sh           then edit /etc/stripwatch/worker.toml, and: systemctl enable --now stripwatch-worker
# Likewise stripwatch-view, the live page of this box, and on one box alone stripwatch-coils, the summaries of coils.
# Each version has its own environment; /opt/stripwatch/current is switched to it only when it runs. Back to the one before:
#   ln -sfn VERSION /opt/stripwatch/current && systemctl restart stripwatch-worker
# If this update renamed keys in worker.toml, going back needs the backup file that it names.
# DESTDIR=/somewhere installs into that folder instead, to look at it.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
dest=${DESTDIR:-}
python=${PYTHON:-python3}
opt=$dest/opt/stripwatch etc=$dest/etc/stripwatch var=$dest/var/lib/stripwatch units=$dest/etc/systemd/system

fail() {
  echo "error: $1" >&2
  exit "$2"
}
set -- "$here"/stripwatch-*.whl
[ -e "$1" ] || fail "$here has no stripwatch-VERSION.whl; run pack.sh first, and this from the folder that it made" 6
wheel=$1
version=$(basename "$wheel" | cut -d- -f2)
"$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
  fail "$python is no Python 3.11 to 3.13 with venv (Debian: apt install python3-venv)" 2
[ -n "$dest" ] || [ "$(id -u)" = 0 ] || fail "this needs root; DESTDIR=FOLDER only looks" 2

mkdir -p "$opt" "$etc" "$var/bundles" "$units"
if [ -z "$dest" ] && ! getent passwd stripwatch > /dev/null; then
  useradd --system --home-dir /var/lib/stripwatch --shell /usr/sbin/nologin stripwatch
fi
new=$opt/$version
if [ -e "$new" ]; then
  new=$opt/$version.$(date +%Y%m%d%H%M%S) # the same version, packed again
fi
undo() { # whatever fails before the switch leaves no environment that looks installed
  [ "$(readlink "$opt/current")" = "$(basename "$new")" ] || rm -rf "$new" "$opt/current.new"
}
trap undo EXIT
"$python" -m venv "$new"
"$new/bin/pip" install -q --no-index --find-links "$here/wheels" --require-hashes -r "$here/lock.txt"
"$new/bin/pip" install -q --no-index --no-deps "$wheel"
"$new/bin/stripwatch" --version > /dev/null || fail "the new environment $new does not run" 1

[ -e "$etc/worker.toml" ] || cp "$here/worker.toml" "$etc/worker.toml" # yours is kept, under the keys of this version
"$new/bin/stripwatch" config migrate "$etc/worker.toml" > /dev/null
for name in worker coils view; do
  cp "$here/stripwatch-$name.service" "$units/"
done
cp "$here/journald@stripwatch.conf" "$dest/etc/systemd/"
ln -sfn "$(basename "$new")" "$opt/current.new"
mv -T "$opt/current.new" "$opt/current" # in one step: there is always a current one
if [ -z "$dest" ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl try-restart stripwatch-worker stripwatch-coils stripwatch-view # those that run
fi
echo "installed: $(readlink "$opt/current"); settings: $etc/worker.toml" >&2
