#!/bin/bash
# Fetches Debian's prometheus-alertmanager, which brings amtool, and unpacks it; installs nothing, needs no root.
# usage: install.sh [FOLDER]     default: $LONGSHORE_ALERTMANAGER, else ~/.cache/longshore-alertmanager; FOLDER/bin holds what to start
# Where both programs are installed already, those are used.
set -euo pipefail
folder=$(realpath -m "${1:-${LONGSHORE_ALERTMANAGER:-${XDG_CACHE_HOME:-$HOME/.cache}/longshore-alertmanager}}")
bin=$folder/bin
programs='prometheus-alertmanager amtool'
all_run() { for name in $programs; do [ -x "$bin/$name" ] && "$bin/$name" --version >/dev/null 2>&1 || return 1; done; }
if all_run; then
  echo "already there: $bin"
  exit 0
fi
mkdir -p "$bin" "$folder/deb" "$folder/lists/partial" "$folder/archives/partial"
fail() {
  echo "$1" >&2
  echo "Install it yourself (apt-get install prometheus-alertmanager), so that $programs are on the path, and start again." >&2
  exit 1
}
if command -v prometheus-alertmanager >/dev/null && command -v amtool >/dev/null; then
  ln -sf "$(command -v prometheus-alertmanager)" "$(command -v amtool)" "$bin/"
  echo "installed already: $bin points to them"
  exit 0
fi
for tool in apt-get apt-cache dpkg ldd; do command -v "$tool" >/dev/null || fail "no $tool here: this needs Debian or one of its kind"; done
root=$folder/root
apt=(-o APT::Sandbox::User= -o "Dir::Cache::archives=$folder/archives")
if ! apt-cache show prometheus-alertmanager >/dev/null 2>&1; then
  # The system's lists of packages are empty: lists of our own, so that they stay as they are.
  apt+=(-o "Dir::State::lists=$folder/lists" -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=")
  apt-get "${apt[@]}" update -qq || fail "the lists of packages cannot be fetched"
fi
(cd "$folder/deb" && rm -f -- prometheus-alertmanager_*.deb && apt-get "${apt[@]}" download -qq prometheus-alertmanager >/dev/null) \
  || fail "the package prometheus-alertmanager cannot be fetched"
dpkg -x "$folder"/deb/prometheus-alertmanager_*.deb "$root"
for name in $programs; do
  missing=$(ldd "$root/usr/bin/$name" 2>/dev/null | awk '/not found/ { print $1 }' | sort -u | paste -sd' ')
  [ -z "$missing" ] || fail "$name lacks libraries here: $missing"
done
ln -sf "$root/usr/bin/amtool" "$bin/amtool"
# Debian's has the folder of its templates built in, and without them it does not start. A relative one of the same length takes the
# place of that, and it is started from where it leads; nothing else of the program is changed.
built_in=/usr/share/prometheus/alertmanager
instead=./././././././././././alertmanager
server=$root/usr/bin/prometheus-alertmanager
if [ "${#built_in}" != "${#instead}" ] || ! grep -qaF "$built_in" "$server"; then
  fail "this prometheus-alertmanager is not as 0.25 is: it does not name $built_in"
fi
LC_ALL=C sed -i "s#$built_in#$instead#g" "$server"
printf '#!/bin/sh\ncd %s && exec %s "$@"\n' "'$root/usr/share/prometheus'" "'$server'" >"$bin/prometheus-alertmanager"
chmod 755 "$bin/prometheus-alertmanager"
all_run || fail "what was unpacked does not start here"
rm -rf "$folder/deb" "$folder/archives" "$folder/lists"
echo "fetched: $bin"
