#!/bin/sh
# The first process of the node. It is started in mount, network and process-id namespaces of its own, so every mount,
# link, rule and process that the node makes ends with it. It readies the namespaces and becomes supervisord.
#
#   enter.sh DIRECTORY SUPERVISORD
set -eu
directory=$1
supervisord=$2
node_address=10.244.255.2

mount --make-rprivate /
mount -t proc proc /proc
# The node's own /run and state, where kubelet, containerd and the CNI plugins expect them.
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/switchyard
mount --bind "$directory" /run/switchyard
mount --bind "$directory/lib" /var/lib
mount --bind "$directory/log" /var/log
# Shared among the node's own mounts, for volumes that ask for mount propagation; the machine's stay apart.
mount --make-rshared /

ip link set lo up
# The machine puts the other end of its link here.
tries=0
until ip link show uplink >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { echo "the machine's link did not come in 30 s" >&2; exit 1; }
    sleep 0.1
done
ip addr add $node_address/30 dev uplink
ip link set uplink up
echo 1 >/proc/sys/net/ipv4/ip_forward

cd /run/switchyard
exec "$supervisord" --nodaemon --configuration /run/switchyard/conf/supervisord.conf
