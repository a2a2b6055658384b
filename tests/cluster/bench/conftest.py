"""For the tests on a cluster: the cluster, and a namespace for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from harness.cluster import Cluster, Namespace, find_cluster


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster of $KUBECONFIG or the bench; no cluster is a failure, not a reason to skip."""
    return find_cluster()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    """A namespace that enforces the strictest policy, deleted after the test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.run("create", "namespace", name)
    cluster.run("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    created = Namespace(cluster, name)
    # The controller makes it a moment later, and no pod can be created before.
    created.wait("create", "serviceaccount/default", 60)
    yield created
    cluster.run("delete", "namespace", name, "--wait=false")
