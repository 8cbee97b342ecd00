#!/bin/bash
# Ends what start.sh DATA started, and nothing else.
data=${1:?say where the data is: stop.sh DATA}
for part in kcm apiserver etcd; do
  [ -f "$data/$part.pid" ] || continue
  pid=$(cat "$data/$part.pid")
  # The number may have gone to another process since: only one whose command names this folder or these binaries is ended.
  if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q -e kube-apiserver -e kube-controller-manager -e "$data/etcd"; then
    kill "$pid"
  fi
  rm -f "$data/$part.pid"
done
