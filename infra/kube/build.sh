#!/bin/bash
# Compiles a real kube-apiserver and kube-controller-manager 1.20.2 from Debian's source package, once.
# usage: build.sh [FOLDER]     default: $LONGSHORE_KUBE, else ~/.cache/longshore-kube; the binaries land in FOLDER/bin
# Needs Debian with apt, root, about 2.5 GB of disk and 1.5 GB of memory; 4 to 9 minutes on two cores.
set -euo pipefail
folder=$(realpath -m "${1:-${LONGSHORE_KUBE:-${XDG_CACHE_HOME:-$HOME/.cache}/longshore-kube}}")
if [ -x "$folder/bin/kube-apiserver" ] && [ -x "$folder/bin/kube-controller-manager" ]; then
  echo "already built: $folder/bin"
  exit 0
fi
command -v apt-get >/dev/null || { echo "no apt-get here: build kube-apiserver and kube-controller-manager 1.20 yourself and put them into $folder/bin" >&2; exit 1; }
[ -r /etc/apt/sources.list.d/debian.sources ] || { echo "no /etc/apt/sources.list.d/debian.sources here: this needs Debian 12 or newer" >&2; exit 1; }
mkdir -p "$folder/lists/partial" "$folder/deb" "$folder/bin" "$folder/home"
cd "$folder"
apt-get update -qq
apt-get install -y --no-install-recommends golang-go rsync jq dpkg-dev make openssl curl etcd-server >/dev/null
# Source packages come from lists of their own, so that the system's stay as they are.
sed -E 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >sources
apt_source=(-o "Dir::Etc::sourcelist=$folder/sources" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$folder/lists" -o APT::Sandbox::User=root)
apt-get "${apt_source[@]}" update -qq
apt-get "${apt_source[@]}" source -qq kubernetes
# The reflect2 that comes with 1.20 panics under Go 1.18 and newer as soon as a definition is made; Debian packages a later one.
(cd deb && apt-get -o APT::Sandbox::User=root download -qq golang-github-modern-go-reflect2-dev && dpkg -x golang-github-modern-go-reflect2-dev_*.deb tree)
cd "$(find . -maxdepth 1 -type d -name 'kubernetes-1.20*' | head -1)"
vendored=vendor/github.com/modern-go/reflect2
find "$vendored" -maxdepth 1 \( -name '*.go' -o -name '*.s' \) -delete
find "$folder/deb/tree/usr/share/gocode/src/github.com/modern-go/reflect2" -maxdepth 1 \( -name '*.go' -o -name '*.s' \) ! -name '*_test.go' -exec cp {} "$vendored/" \;
mkdir -p .go/src/k8s.io
ln -sfn ../../.. .go/src/k8s.io/kubernetes
export HOME="$folder/home" GOPATH=$PWD/.go CGO_ENABLED=0 GOFLAGS=
export KUBE_GIT_VERSION=v1.20.2 KUBE_GIT_COMMIT=debian KUBE_GIT_TREE_STATE=clean KUBE_GIT_MAJOR=1 KUBE_GIT_MINOR=20
nice -n 10 make WHAT="cmd/kube-apiserver cmd/kube-controller-manager"
cp _output/local/bin/linux/*/kube-apiserver _output/local/bin/linux/*/kube-controller-manager "$folder/bin/"
echo "built: $folder/bin"
