"""The bench's addresses. The files in node/ hold the same ones; tests/unit/cluster compares."""

from __future__ import annotations

HOST_LINK = "switchyard0"  # the machine's end of its one link to the node
NODE_LINK = "uplink"  # the node's end
HOST_ADDRESS = "10.244.255.1"
NODE_ADDRESS = "10.244.255.2"
LINK_PREFIX = 30
PODS = "10.244.0.0/24"
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"  # the first address of SERVICES: `kubernetes` in namespace default
API_PORT = 6443
DOMAIN = "cluster.local"
NODE_NAME = "switchyard"
