"""The node's files name the same addresses, servers and versions as the code that starts it."""

from __future__ import annotations

import configparser
import ipaddress
import json
import re

import pytest
import yaml

from switchyard_cluster import addresses
from switchyard_cluster.build import kubernetes_version
from switchyard_cluster.control_groups import GROUP
from switchyard_cluster.images import PAUSE
from switchyard_cluster.layout import GO_SOURCES, NODE_FILES
from switchyard_cluster.supervision import SERVERS

_OURS = {addresses.HOST_ADDRESS, addresses.NODE_ADDRESS, addresses.PODS, addresses.SERVICES, "127.0.0.1"}


@pytest.mark.parametrize("name", sorted(path.name for path in NODE_FILES.iterdir()))
def test_every_address_in_a_file_is_one_of_the_benchs(name: str) -> None:
    named = set(re.findall(r"\b\d+\.\d+\.\d+\.\d+(?:/\d+)?\b", (NODE_FILES / name).read_text()))
    named -= {
        f"{addresses.NODE_ADDRESS}/{addresses.LINK_PREFIX}",
        "10.244.0.10",
        "0.0.0.0/0",
    }  # the first pod's; anywhere
    assert named <= _OURS


def test_the_link_the_pods_and_the_services_do_not_overlap() -> None:
    link = ipaddress.ip_interface(f"{addresses.HOST_ADDRESS}/{addresses.LINK_PREFIX}").network
    networks = [link, ipaddress.ip_network(addresses.PODS), ipaddress.ip_network(addresses.SERVICES)]
    assert not any(a.overlaps(b) for a in networks for b in networks if a is not b)
    assert ipaddress.ip_address(addresses.NODE_ADDRESS) in link
    assert ipaddress.ip_address(addresses.API_SERVICE) == ipaddress.ip_network(addresses.SERVICES)[1]


def test_supervisord_knows_the_servers_that_are_started() -> None:
    parser = configparser.RawConfigParser()
    parser.read(NODE_FILES / "supervisord.conf")
    programs = {name.removeprefix("program:") for name in parser.sections() if name.startswith("program:")}
    assert programs == set(SERVERS)


def test_the_kubelet_keeps_to_the_group_that_is_removed_with_the_node() -> None:
    assert yaml.safe_load((NODE_FILES / "kubelet.yaml").read_text())["cgroupRoot"] == f"/{GROUP}"


def test_coredns_is_given_a_kubeconfig_that_is_written_and_takes_its_only_context() -> None:
    [words] = re.findall(r"^\s*kubeconfig (.+)$", (NODE_FILES / "Corefile").read_text(), re.MULTILINE)
    assert words == "/run/switchyard/conf/coredns.kubeconfig"


def test_containerd_holds_pods_with_the_image_that_is_built() -> None:
    assert f'sandbox_image = "{PAUSE}"' in (NODE_FILES / "containerd.toml").read_text()


def test_a_pods_address_is_never_the_gateways() -> None:
    [[pods]] = json.loads((NODE_FILES / "pods.conflist").read_text())["plugins"][0]["ipam"]["ranges"]
    assert pods["subnet"] == addresses.PODS


def test_every_part_of_kubernetes_has_the_version_of_the_whole() -> None:
    text = (GO_SOURCES / "kubernetes" / "go.mod").read_text()
    parts = re.findall(r"^\s*(k8s\.io/\S+) => (\S+) v0\.(\S+)$", text, re.MULTILINE)
    assert len(parts) >= 31
    assert {part for part, replaced, _ in parts if part != replaced} == set()
    assert {f"1.{version}" for _, _, version in parts} == {kubernetes_version()}
