#!/bin/sh
# Installs or updates the worker on a machine without a network, from the folder created by pack.sh. Run as root:
#   ./install.sh           then edit /etc/stripwatch/worker.toml, and: systemctl enable --now stripwatch-worker
# Optionally enable stripwatch-view (the live page of this machine) and, on one machine only, stripwatch-coils (coil
# summaries).
# Each version has its own environment. /opt/stripwatch/current is switched to it only after it runs. To roll back:
#   ln -sfn VERSION /opt/stripwatch/current && systemctl restart stripwatch-worker
# If the update renamed keys in worker.toml, a rollback also needs the backup file that it reported.
# DESTDIR=/somewhere installs into that folder instead, for inspection.
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
[ -e "$1" ] || fail "$here has no stripwatch-VERSION.whl; run pack.sh first, then install.sh from the folder it creates" 6
wheel=$1
version=$(basename "$wheel" | cut -d- -f2)
"$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
  fail "$python is not Python 3.11 to 3.13 with venv (Debian: apt install python3-venv)" 2
[ -n "$dest" ] || [ "$(id -u)" = 0 ] || fail "run this as root, or set DESTDIR=FOLDER to install into a folder for inspection" 2

mkdir -p "$opt" "$etc" "$var/bundles" "$units"
if [ -z "$dest" ] && ! getent passwd stripwatch > /dev/null; then
  useradd --system --home-dir /var/lib/stripwatch --shell /usr/sbin/nologin stripwatch
fi
new=$opt/$version
if [ -e "$new" ]; then
  new=$opt/$version.$(date +%Y%m%d%H%M%S) # the same version, repacked
fi
undo() { # a failure before the switch must not leave an environment that looks installed
  [ "$(readlink "$opt/current")" = "$(basename "$new")" ] || rm -rf "$new" "$opt/current.new"
}
trap undo EXIT
"$python" -m venv "$new"
"$new/bin/pip" install -q --no-index --find-links "$here/wheels" --require-hashes -r "$here/lock.txt"
"$new/bin/pip" install -q --no-index --no-deps "$wheel"
"$new/bin/stripwatch" --version > /dev/null || fail "the new environment $new does not run" 1

[ -e "$etc/worker.toml" ] || cp "$here/worker.toml" "$etc/worker.toml" # an existing file is kept, and its keys are migrated below
"$new/bin/stripwatch" config migrate "$etc/worker.toml" > /dev/null
for name in worker coils view; do
  cp "$here/stripwatch-$name.service" "$units/"
done
cp "$here/journald@stripwatch.conf" "$dest/etc/systemd/"
ln -sfn "$(basename "$new")" "$opt/current.new"
mv -T "$opt/current.new" "$opt/current" # atomic: there is always a current version
if [ -z "$dest" ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl try-restart stripwatch-worker stripwatch-coils stripwatch-view # restarts only running services
fi
echo "installed: $(readlink "$opt/current"); settings: $etc/worker.toml" >&2
