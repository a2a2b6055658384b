"""What Switchyard's pods and charts rely on, seen on a real API server and a real kubelet."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

from harness.cluster import USER, Namespace, await_true, object_of, pod, pod_spec


def test_a_restricted_pod_runs_with_seccomp_and_without_capabilities(namespace: Namespace) -> None:
    namespace.create(pod("looks", "id -u; cat /proc/self/status"))
    log = namespace.finish("looks")
    assert log.splitlines()[0] == str(USER)
    assert "Seccomp:\t2" in log  # a filter
    assert "NoNewPrivs:\t1" in log
    assert re.search(r"^CapEff:\t0{16}$", log, re.MULTILINE)


def test_a_restricted_namespace_refuses_a_pod_that_asks_for_more(namespace: Namespace) -> None:
    manifest = pod("root", "true", securityContext={"runAsUser": 0, "seccompProfile": {"type": "Unconfined"}})
    refused = namespace.attempt("create", "--filename", "-", stdin=json.dumps(manifest))
    assert refused.returncode != 0
    for broken in ("runAsNonRoot != true", "runAsUser=0", "seccompProfile"):
        assert broken in refused.stderr


def test_a_client_in_a_pod_asks_the_api_what_its_role_allows(namespace: Namespace) -> None:
    namespace.run("create", "serviceaccount", "reader")
    namespace.run("create", "role", "reads-pods", "--verb=get,list", "--resource=pods")
    namespace.run("create", "rolebinding", "reader", "--role=reads-pods", f"--serviceaccount={namespace.name}:reader")
    scratch = {"name": "scratch", "emptyDir": {}}
    mounts = [{"name": "scratch", "mountPath": "/scratch"}]
    spec = {"serviceAccountName": "reader", "automountServiceAccountToken": True, "volumes": [scratch]}
    namespace.create(pod("client", "sleep 600", mounts=mounts, **spec))
    namespace.wait("condition=Ready", "pod/client")
    _bring_kubectl(namespace, "client", "/scratch/kubectl")
    inside = ("exec", "client", "--", "/scratch/kubectl")
    assert namespace.run(*inside, "get", "pods", "--output", "name") == "pod/client\n"
    forbidden = namespace.attempt(*inside, "get", "secrets")
    assert forbidden.returncode != 0
    assert f'User "system:serviceaccount:{namespace.name}:reader" cannot list resource "secrets"' in forbidden.stderr


def _bring_kubectl(namespace: Namespace, pod_name: str, target: str) -> None:
    """Write the machine's kubectl into a pod, by the standard input of exec: most images have no client of TLS."""
    cluster = namespace.cluster
    with Path(cluster.program("kubectl")).open("rb") as program:
        subprocess.run(
            [
                *(cluster.program("kubectl"), "--kubeconfig", cluster.kubeconfig, "--namespace", namespace.name),
                *("exec", "--stdin", pod_name, "--", "sh", "-c", f"cat >{target} && chmod +x {target}"),
            ],
            stdin=program,
            check=True,
            timeout=120,
        )


def test_a_volume_is_writable_by_the_pods_group_and_outlives_the_pod(namespace: Namespace) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    namespace.create(object_of("PersistentVolumeClaim", "data", claim))
    security = {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "fsGroup": 2000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    volume = {
        "mounts": [{"name": "data", "mountPath": "/data"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        "securityContext": security,
    }
    namespace.create(pod("writer", "echo kept >/data/file; stat -c %g /data /data/file", **volume))
    assert namespace.finish("writer").split() == ["2000", "2000"]
    namespace.run("delete", "pod", "writer")
    namespace.create(pod("reader", "cat /data/file", **volume))
    assert namespace.finish("reader") == "kept\n"


def test_a_finished_job_is_removed_after_its_ttl_with_its_pod(namespace: Namespace) -> None:
    job = {"backoffLimit": 0, "ttlSecondsAfterFinished": 3, "template": {"spec": pod_spec("echo done")}}
    namespace.create(object_of("Job", "short", job, api="batch/v1"))
    namespace.wait("condition=Complete", "job/short")
    await_true("the job is gone", lambda: namespace.run("get", "jobs", "--output", "name") == "")
    await_true("its pod is gone", lambda: namespace.run("get", "pods", "--output", "name") == "")


def test_a_job_is_ended_at_its_deadline(namespace: Namespace) -> None:
    job = {"backoffLimit": 0, "activeDeadlineSeconds": 3, "template": {"spec": pod_spec("sleep 600")}}
    namespace.create(object_of("Job", "long", job, api="batch/v1"))
    namespace.wait("condition=Failed", "job/long", 60)
    reason = namespace.run(
        "get", "job", "long", "--output", r"jsonpath={.status.conditions[?(@.type=='Failed')].reason}"
    )
    assert reason == "DeadlineExceeded"
    await_true("its pod is gone", lambda: namespace.run("get", "pods", "--output", "name") == "")


def test_a_pod_waits_for_the_secret_that_it_mounts(namespace: Namespace) -> None:
    volume = {
        "mounts": [{"name": "secret", "mountPath": "/secret", "readOnly": True}],
        "volumes": [{"name": "secret", "secret": {"secretName": "late"}}],
    }
    namespace.create(pod("waits", "cat /secret/word", **volume))
    waiting = r"jsonpath={.status.containerStatuses[0].state.waiting.reason}"
    await_true(
        "the pod is in ContainerCreating",
        lambda: namespace.run("get", "pod", "waits", "--output", waiting) == "ContainerCreating",
    )
    time.sleep(3)
    assert namespace.run("get", "pod", "waits", "--output", waiting) == "ContainerCreating"
    namespace.run("create", "secret", "generic", "late", "--from-literal=word=here")
    # The kubelet looks again after a pause that doubles up to two minutes.
    namespace.wait("jsonpath={.status.phase}=Succeeded", "pod/waits", 180)
    assert namespace.run("logs", "waits") == "here"


def test_logs_are_followed_while_a_pod_runs_and_exec_returns_the_exit_code(namespace: Namespace) -> None:
    namespace.create(pod("speaks", "for i in 1 2 3; do echo line $i; sleep 1; done; sleep 600"))
    namespace.wait("condition=Ready", "pod/speaks")
    with _kubectl(namespace, "logs", "--follow", "speaks") as follower:
        assert follower.stdout is not None
        assert [follower.stdout.readline() for _ in range(3)] == ["line 1\n", "line 2\n", "line 3\n"]
        follower.terminate()
    assert namespace.attempt("exec", "speaks", "--", "sh", "-c", "exit 3").returncode == 3


def test_a_service_is_reached_by_its_name_and_by_a_forwarded_port(namespace: Namespace) -> None:
    namespace.create(
        pod("server", _SERVER, labels={"app": "server"}),
        object_of("Service", "server", {"selector": {"app": "server"}, "ports": [{"port": 7000}]}),
    )
    namespace.wait("condition=Ready", "pod/server")
    name = f"server.{namespace.name}.svc.cluster.local"
    namespace.create(pod("client", f"until cat </dev/tcp/{name}/7000; do sleep 1; done"))
    assert namespace.finish("client") == "hello\n"
    with _kubectl(namespace, "port-forward", "service/server", ":7000") as forwarder:
        assert forwarder.stdout is not None
        [port] = re.findall(r"127\.0\.0\.1:(\d+)", forwarder.stdout.readline())
        read = subprocess.run(
            ["bash", "-c", f"cat </dev/tcp/127.0.0.1/{port}"], capture_output=True, text=True, timeout=30
        )
        forwarder.terminate()
    assert read.stdout == "hello\n"


_SERVER = """exec perl -MIO::Socket::INET -e '
    my $server = IO::Socket::INET->new(LocalPort => 7000, Listen => 5, ReuseAddr => 1) or die;
    while (my $client = $server->accept) { print $client "hello\\n"; close $client }'
"""


def _kubectl(namespace: Namespace, *words: str) -> subprocess.Popen[str]:
    cluster = namespace.cluster
    return subprocess.Popen(
        [cluster.program("kubectl"), "--kubeconfig", str(cluster.kubeconfig), "--namespace", namespace.name, *words],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_network_policy_is_accepted(namespace: Namespace) -> None:
    """Only that: on the bench nothing enforces one."""
    policy = object_of(
        "NetworkPolicy", "closed", {"podSelector": {}, "policyTypes": ["Ingress"]}, "networking.k8s.io/v1"
    )
    namespace.create(policy)
    assert namespace.run("get", "networkpolicies", "--output", "name") == "networkpolicy.networking.k8s.io/closed\n"


def test_a_chart_is_installed_tested_upgraded_and_removed(namespace: Namespace, tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    shutil.copytree(Path(__file__).parent / "chart", chart)

    def helm(*words: str) -> str:
        return namespace.cluster.run(*words, "--namespace", namespace.name, program="helm")

    helm("install", "tiny", str(chart), "--wait", "--timeout", "120s")
    assert "Phase:          Succeeded" in helm("test", "tiny", "--timeout", "120s")
    helm("upgrade", "tiny", str(chart), "--wait", "--timeout", "120s", "--set", "word=changed")
    assert "Phase:          Succeeded" in helm("test", "tiny", "--timeout", "120s")
    claims = namespace.run("get", "persistentvolumeclaims", "--output", "name")
    assert claims == "persistentvolumeclaim/data-tiny-0\n"
    helm("uninstall", "tiny", "--wait", "--timeout", "120s")
    assert namespace.run("get", "statefulsets,services", "--output", "name") == ""
