#!/bin/bash
# Fetches Debian's docker-registry and skopeo, with the libraries they lack here, and unpacks them; installs nothing, needs no root.
# usage: install.sh [FOLDER]     default: $LONGSHORE_REGISTRY, else ~/.cache/longshore-registry; FOLDER/bin holds what to start
# Where both are installed already, those are used.
set -euo pipefail
folder=$(realpath -m "${1:-${LONGSHORE_REGISTRY:-${XDG_CACHE_HOME:-$HOME/.cache}/longshore-registry}}")
bin=$folder/bin
if [ -x "$bin/docker-registry" ] && [ -x "$bin/skopeo" ] && "$bin/docker-registry" --version >/dev/null 2>&1 && "$bin/skopeo" --version >/dev/null 2>&1; then
  echo "already there: $bin"
  exit 0
fi
mkdir -p "$bin" "$folder/deb" "$folder/lists/partial" "$folder/archives/partial"
fail() {
  echo "$1" >&2
  echo "Install docker-registry and skopeo yourself (apt-get install docker-registry skopeo), so that both are on the path, and start again." >&2
  exit 1
}
if command -v docker-registry >/dev/null && command -v skopeo >/dev/null; then
  ln -sf "$(command -v docker-registry)" "$(command -v skopeo)" "$bin/"
  echo "installed already: $bin points to them"
  exit 0
fi
for tool in apt-get apt-cache dpkg ldd; do command -v "$tool" >/dev/null || fail "no $tool here: this needs Debian or one of its kind"; done
root=$folder/root
apt=(-o APT::Sandbox::User= -o "Dir::Cache::archives=$folder/archives")
if ! apt-cache show docker-registry skopeo >/dev/null 2>&1; then
  # The system's lists of packages are empty: lists of our own, so that they stay as they are.
  apt+=(-o "Dir::State::lists=$folder/lists" -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=")
  apt-get "${apt[@]}" update -qq || fail "the lists of packages cannot be fetched"
fi
fetched=' '
fetch() {
  local package
  for package in "$@"; do
    case $fetched in *" $package "*) continue ;; esac
    fetched="$fetched$package "
    (cd "$folder/deb" && rm -f -- "${package}"_*.deb && apt-get "${apt[@]}" download -qq "$package" >/dev/null) || fail "the package $package cannot be fetched"
    dpkg -x "$folder"/deb/"$package"_*.deb "$root"
  done
}
libraries() { find "$root" -type d -path '*/lib/*' -name '*-linux-gnu*' 2>/dev/null | sort -u | paste -sd:; }
missing() { LD_LIBRARY_PATH=$(libraries) ldd "$root/usr/bin/docker-registry" "$root/usr/bin/skopeo" 2>/dev/null | awk '/not found/ { print $1 }' | sort -u; }
depends() { apt-cache "${apt[@]}" depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$@" | awk '$1 == "Depends:" && $2 ~ /^lib/ && $2 !~ /^libc6/ { print $2 }' | sort -u; }
fetch docker-registry skopeo
wanted='docker-registry skopeo'
for _ in 1 2 3; do
  [ -n "$(missing)" ] || break
  wanted=$(depends $wanted)
  fetch $wanted
done
[ -z "$(missing)" ] || fail "libraries are missing that no package of theirs brought: $(missing | paste -sd' ')"
for name in docker-registry skopeo; do
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "'$(libraries)'" "'$root/usr/bin/$name'" >"$bin/$name"
  chmod 755 "$bin/$name"
  "$bin/$name" --version >/dev/null || fail "$name does not start here"
done
rm -rf "$folder/deb" "$folder/archives" "$folder/lists"
echo "fetched: $bin"
