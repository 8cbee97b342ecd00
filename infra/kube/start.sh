#!/bin/bash
# Starts etcd, kube-apiserver and (with KUBE_CONTROLLERS=1) kube-controller-manager on 127.0.0.1: RBAC on, tokens for access.
# usage: start.sh DATA         env: KUBE_BIN (folder of the binaries), API_PORT, ETCD_PORT, PEER_PORT, KUBE_CONTROLLERS, CONTROLLERS_PORT
# DATA/tokens.csv holds an administrator's token in its first line and one without any rights in its second;
# DATA/kubeconfig is for kubectl. stop.sh DATA ends everything.
set -euo pipefail
data=${1:?say where to keep the data: start.sh DATA}
binaries=${KUBE_BIN:-${LONGSHORE_KUBE:-${XDG_CACHE_HOME:-$HOME/.cache}/longshore-kube}/bin}
api=${API_PORT:-16443} etcd=${ETCD_PORT:-23790} peer=${PEER_PORT:-23800} controllers=${CONTROLLERS_PORT:-$((api + 1))}
[ -x "$binaries/kube-apiserver" ] || { echo "no kube-apiserver in $binaries: run infra/kube/build.sh first" >&2; exit 1; }
command -v etcd >/dev/null || { echo "no etcd on the path: install Debian's etcd-server" >&2; exit 1; }
mkdir -p "$data/certs"
chmod 700 "$data"
etcd --data-dir "$data/etcd" --listen-client-urls "http://127.0.0.1:$etcd" --advertise-client-urls "http://127.0.0.1:$etcd" \
  --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
  --initial-cluster "default=http://127.0.0.1:$peer" --unsafe-no-fsync >"$data/etcd.log" 2>&1 &
echo $! >"$data/etcd.pid"
if [ ! -f "$data/sa.key" ]; then
  openssl genrsa -out "$data/sa.key" 2048 2>/dev/null
  openssl rsa -in "$data/sa.key" -pubout -out "$data/sa.pub" 2>/dev/null
fi
if [ ! -f "$data/tokens.csv" ]; then
  (
    umask 077
    echo "$(openssl rand -hex 16),admin,admin-uid,\"system:masters\"" >"$data/tokens.csv"
    echo "$(openssl rand -hex 16),viewer,viewer-uid,\"viewers\"" >>"$data/tokens.csv"
  )
fi
# No kubelet and no cloud here, so service accounts get no tokens and endpoints are not kept.
"$binaries/kube-apiserver" --etcd-servers="http://127.0.0.1:$etcd" --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port="$api" \
  --insecure-port=0 --cert-dir="$data/certs" --token-auth-file="$data/tokens.csv" --authorization-mode=RBAC \
  --service-account-key-file="$data/sa.pub" --service-account-signing-key-file="$data/sa.key" \
  --service-account-issuer=https://kubernetes.default.svc --service-cluster-ip-range=10.0.0.0/24 \
  --disable-admission-plugins=ServiceAccount --anonymous-auth=false --allow-privileged=false --endpoint-reconciler-type=none \
  --v=1 >"$data/apiserver.log" 2>&1 &
echo $! >"$data/apiserver.pid"
token=$(head -1 "$data/tokens.csv" | cut -d, -f1)
ready=no
for _ in $(seq 1 600); do
  if curl -sk -m 2 -H "Authorization: Bearer $token" "https://127.0.0.1:$api/readyz" 2>/dev/null | grep -q '^ok'; then
    ready=yes
    break
  fi
  kill -0 "$(cat "$data/apiserver.pid")" 2>/dev/null || break
  sleep 0.1
done
if [ "$ready" = no ]; then
  echo "kube-apiserver did not come up; the end of $data/apiserver.log:" >&2
  tail -20 "$data/apiserver.log" >&2
  exit 1
fi
(
  umask 077
  cat >"$data/kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: local, cluster: {server: "https://127.0.0.1:$api", certificate-authority: $data/certs/apiserver.crt}}]
users: [{name: admin, user: {token: $token}}]
contexts: [{name: local, context: {cluster: local, user: admin}}]
current-context: local
YAML
)
if [ "${KUBE_CONTROLLERS:-0}" = 1 ]; then
  "$binaries/kube-controller-manager" --kubeconfig="$data/kubeconfig" --bind-address=127.0.0.1 --port=0 --secure-port="$controllers" \
    --leader-elect=false --horizontal-pod-autoscaler-sync-period=1s --kube-api-qps=500 --kube-api-burst=1000 \
    --controllers='*,-nodelifecycle,-nodeipam,-cloud-node-lifecycle,-service,-route' --v=1 >"$data/kcm.log" 2>&1 &
  echo $! >"$data/kcm.pid"
  ready=no
  for _ in $(seq 1 300); do
    if curl -sk -m 2 "https://127.0.0.1:$controllers/healthz" 2>/dev/null | grep -q '^ok'; then
      ready=yes
      break
    fi
    kill -0 "$(cat "$data/kcm.pid")" 2>/dev/null || break
    sleep 0.1
  done
  if [ "$ready" = no ]; then
    echo "kube-controller-manager did not come up; the end of $data/kcm.log:" >&2
    tail -20 "$data/kcm.log" >&2
    exit 1
  fi
fi
echo "export KUBECONFIG=$data/kubeconfig"
