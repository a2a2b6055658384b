#!/usr/bin/env bash
# What `make cluster` makes is gone after `make cluster-down`: what the machine shows is written down before and after.
# Between the two, pods run, a volume is mounted and a service is routed; then the node is ended as it stands.
#
#   cluster/test-down.sh            ends with exit code 1, and the difference, when something stays
set -euo pipefail
cd "$(dirname "$0")/.."
state=$(stack/own-state.sh)
bin="$state/venv/bin"
cache=${SWITCHYARD_CLUSTER_CACHE:-$HOME/.cache/switchyard/cluster}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# What the bench could leave. Processes are those with the bench's mark or of a cluster's programs; the machine's others
# come and go.
show_machine() {
    echo "== processes"
    grep -lzs "^SWITCHYARD_STACK_STATE=$state/cluster\$" /proc/[0-9]*/environ | wc -l
    ps -eo comm= | grep -Ex 'containerd.*|runc|kubelet|kube-.*|etcd|coredns|pause' | sort || true
    echo "== mounts of this machine"
    grep -E "$state/cluster|/kubelet/|/run/netns|containerd" /proc/mounts || true
    echo "== links, addresses, routes"
    ip -oneline link | sed -E 's/^[0-9]+: //'
    ip -oneline -4 addr | awk '{print $2, $4}'
    ip route
    ip netns list
    echo "== rules"
    nft list ruleset
    echo "== control groups"
    find /sys/fs/cgroup -type d -path '*/switchyard*'
    echo "== kernel settings"
    sysctl net.ipv4.ip_forward vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops \
        kernel.keys.root_maxkeys kernel.keys.root_maxbytes
    echo "== files outside the state and the cache"
    ls -d /var/lib/{kubelet,containerd,cni,etcd,volumes} /var/log/{pods,containers} /run/{containerd,cni-addresses,switchyard} \
        /etc/kubernetes /usr/libexec/kubernetes /opt/containerd /etc/cni /run/xtables.lock 2>/dev/null || true
    echo "== the state"
    ls -d "$state"/cluster* 2>/dev/null || true
}

"$bin/switchyard" cluster down
show_machine >"$scratch/before"
"$bin/switchyard" cluster up
show_machine >"$scratch/between"
"$bin/python" -m pytest -q tests/cluster/bench -k "chart or volume or job"
kubeconfig="$state/cluster/kubeconfig"
kubectl="$state/cluster/bin/kubectl"
"$kubectl" --kubeconfig "$kubeconfig" create deployment left --image=docker.io/library/debian:bookworm-slim --replicas=3 \
    -- sleep 3600
"$kubectl" --kubeconfig "$kubeconfig" expose deployment left --port=7000
"$kubectl" --kubeconfig "$kubeconfig" wait --for=condition=Available deployment/left --timeout=120s
"$bin/switchyard" cluster down
show_machine >"$scratch/after"

if diff -q "$scratch/before" "$scratch/between" >/dev/null; then
    echo "test-down: a running cluster shows nowhere, so this test sees nothing" >&2
    exit 1
fi
if ! diff "$scratch/before" "$scratch/after"; then
    echo "test-down: the lines above are what the cluster left (>) or took away (<)" >&2
    exit 1
fi
echo "test-down: nothing is left; the cache in $cache stays ($(du -sh "$cache" | cut -f1))"
