"""What every pod of the chart is: as Pod Security's level `restricted` wants it, and none knows more than it needs."""

from __future__ import annotations

import pytest

from harness.charts import Render, case, case_names, render, rendered_case

each_case = pytest.mark.parametrize("name", case_names())
VOLUMES = {"configMap", "emptyDir", "secret", "persistentVolumeClaim"}
"""Kinds of volumes: all are among those of level `restricted`."""


@each_case
def test_no_pod_is_root_or_can_become_it(name: str) -> None:
    for where, pod in rendered_case(name).pods():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True, where
        assert context["runAsUser"] > 0, where
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, where
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), where
    for where, container in rendered_case(name).containers():
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False, where
        assert context["capabilities"] == {"drop": ["ALL"]}, where
        assert context["readOnlyRootFilesystem"] is True, where
        assert not {"privileged", "runAsUser", "procMount"} & context.keys(), where
        assert not any("hostPort" in port for port in container.get("ports", [])), where


@each_case
def test_every_volume_is_of_a_kind_that_restricted_allows(name: str) -> None:
    for where, pod in rendered_case(name).pods():
        for volume in pod.get("volumes", []):
            assert set(volume) - {"name"} <= VOLUMES, f"{where}: {volume}"


@each_case
def test_no_pod_has_a_token_for_kubernetes_api(name: str) -> None:
    for where, pod in rendered_case(name).pods():
        assert pod["automountServiceAccountToken"] is False, where
        assert pod["enableServiceLinks"] is False, where
        assert pod["serviceAccountName"] == "grid-servers", where
    assert rendered_case(name).kind("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding") == []


@each_case
def test_every_container_says_what_it_runs_and_what_it_needs(name: str) -> None:
    for where, container in rendered_case(name).containers():
        assert container["command"], where
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}, where
        assert set(container["resources"]["limits"]) == {"memory"}, where
        assert not container["image"].endswith(":latest"), where


@each_case
def test_every_server_has_probes(name: str) -> None:
    for each in rendered_case(name).kind("StatefulSet", "Deployment"):
        for container in each["spec"]["template"]["spec"]["containers"]:
            assert {"readinessProbe", "livenessProbe"} <= container.keys(), container["name"]


@each_case
def test_every_script_that_a_pod_runs_is_in_the_config_map(name: str) -> None:
    renders = rendered_case(name)
    scripts = renders.get("ConfigMap", "scripts")["data"] if any(renders.pods()) else {}
    ran = {word.removeprefix("/scripts/") for word in words(renders) if word.startswith("/scripts/")}
    assert ran <= scripts.keys()


def words(renders: Render) -> list[str]:
    """Every word of every command, of containers, probes and hooks."""
    all_words = []
    for _, container in renders.containers():
        probes = [container.get(f"{kind}Probe", {}) for kind in ("startup", "readiness", "liveness")]
        all_words += container["command"]
        all_words += [word for probe in probes for word in probe.get("exec", {}).get("command", [])]
    return all_words


@each_case
def test_what_a_container_mounts_and_reads_exists(name: str) -> None:
    """Volumes, ConfigMaps and Secrets by their names; a misspelt one leaves a pod in ContainerCreating for ever."""
    renders = rendered_case(name)
    secrets = {each["metadata"]["name"] for each in renders.kind("Secret")} | {"lake-passwords", "lake-connections"}
    maps = {each["metadata"]["name"] for each in renders.kind("ConfigMap")}
    for where, pod in renders.pods():
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])} | {"data": {}}
        for volume in volumes.values():
            assert volume.get("configMap", {}).get("name") in maps | {None}, where
            assert volume.get("secret", {}).get("secretName") in secrets | {None}, where
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes.keys(), where


def test_a_pod_mounts_no_password_of_another_server() -> None:
    mounted = {
        where.split("/")[1].removeprefix("grid-").split("-schema-")[0]: {
            item["key"] for volume in pod.get("volumes", []) for item in volume.get("secret", {}).get("items", [])
        }
        for where, pod in rendered_case("all").pods()
    }
    assert mounted == {
        "namenode": set(),
        "datanode": set(),
        "hiveserver2": set(),
        "metastore": {"metastore"},
        "postgresql": {"postgres", "metastore", "ledger", "source"},
        "mongodb": {"mongodb", "mongodbRoot", "mongodbKeyfile"},
        "redis": {"redis"},
        "test": set(),
    }


@each_case
def test_no_password_is_outside_a_secret(name: str) -> None:
    passwords = [value for key, value in case(name)["passwords"].items() if key != "existingSecret" and len(value) > 4]
    open_text = [str(each) for each in rendered_case(name).objects if each["kind"] != "Secret"]
    assert [password for password in passwords for text in open_text if password in text] == []


def test_every_policy_is_of_a_pod_and_names_its_ports() -> None:
    """Each server is reached at the ports of its service, by the parts that use it and by the clients."""
    renders = rendered_case("all")
    for policy in renders.kind("NetworkPolicy"):
        name = policy["metadata"]["name"].removeprefix("grid-")
        if name == "nobody":
            assert policy["spec"].get("ingress", []) == []
            continue
        (rule,) = policy["spec"]["ingress"]
        ports = {port["port"] for port in renders.get("Service", name)["spec"]["ports"]}
        assert {port["port"] for port in rule["ports"]} == ports, name
        assert {"podSelector": {"matchLabels": {"switchyard/client": "true"}}} in rule["from"]


def test_every_server_has_a_policy() -> None:
    servers = {each["metadata"]["name"] for each in rendered_case("all").kind("Service")}
    policies = {each["metadata"]["name"] for each in rendered_case("all").kind("NetworkPolicy")}
    assert policies == servers | {"grid-nobody"}


def test_another_namespace_is_let_in_by_its_name() -> None:
    clients = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "airflow"}}}]
    policy = render({**case("all"), "networkPolicy": {"clients": clients}}).get("NetworkPolicy", "redis")
    assert policy["spec"]["ingress"][0]["from"][1:] == clients
