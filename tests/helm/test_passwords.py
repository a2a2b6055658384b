"""Passwords are generated once and kept: by helm's own `lookup`, which asks a double of Kubernetes' API."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.charts import CHART, NAMESPACE, RELEASE, HelmRefused, Render, Values, case, render, run_helm
from harness.kubernetes_api import serve_secrets

IMAGES: Values = {"images": case("all")["images"]}
NAMES = {"postgres", "metastore", "ledger", "source", "mongodb", "mongodbRoot", "mongodbKeyfile", "redis"}


def upgrade(values: Values, kept: Mapping[str, str], directory: Path) -> Render:
    """What helm makes when the Secret of passwords is there, from before: at an upgrade, or after an uninstall."""
    with serve_secrets({f"{NAMESPACE}/{RELEASE}-passwords": kept}, RELEASE, directory) as kubeconfig:
        options = ["template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--dry-run=server"]
        options += ["--disable-openapi-validation", "--kubeconfig", str(kubeconfig)]
        return Render.of(run_helm(*options, values=values))


def test_passwords_are_generated_long_and_different() -> None:
    passwords = render(IMAGES).secret("passwords")
    assert passwords.keys() == NAMES
    assert len(set(passwords.values())) == len(NAMES)
    assert min(map(len, passwords.values())) == 32
    assert all(password.isalnum() for password in passwords.values())
    assert render(IMAGES).secret("passwords")["redis"] != passwords["redis"]


def test_an_upgrade_or_an_install_after_an_uninstall_keeps_every_password(tmp_path: Path) -> None:
    first = render(IMAGES).secret("passwords")
    again = upgrade(IMAGES, first, tmp_path)
    assert again.secret("passwords") == first
    assert first["mongodb"] in again.secret("connections")["AIRFLOW_CONN_POWERGRID_MONGO"]


def test_an_upgrade_generates_only_what_is_new(tmp_path: Path) -> None:
    first = render({**IMAGES, "redis": {"enabled": False}}).secret("passwords")
    assert "redis" not in first
    second = upgrade(IMAGES, first, tmp_path).secret("passwords")
    assert {name: second[name] for name in first} == first
    assert len(second["redis"]) == 32


def test_a_password_that_differs_from_the_kept_one_is_refused(tmp_path: Path) -> None:
    """The server's data was made with the kept one; another in the Secret would lock everybody out."""
    first = render(IMAGES).secret("passwords")
    values = {**IMAGES, "passwords": {"mongodb": "another-password"}}
    with pytest.raises(
        HelmRefused, match=r"passwords\.mongodb: it differs from the one in Secret grid-passwords"
    ) as refused:
        upgrade(values, first, tmp_path)
    assert first["mongodb"] not in str(refused.value)
    assert "another-password" not in str(refused.value)


def test_the_same_password_again_is_no_difference(tmp_path: Path) -> None:
    first = render(IMAGES).secret("passwords")
    values = {**IMAGES, "passwords": {"mongodb": first["mongodb"]}}
    assert upgrade(values, first, tmp_path).secret("passwords") == first


def test_the_secret_outlives_the_release_as_its_claims_do() -> None:
    """A StatefulSet's claims stay at an uninstall; without their passwords nobody could read them."""
    renders = render(IMAGES)
    assert renders.get("Secret", "passwords")["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    for each in renders.kind("StatefulSet"):
        assert each["spec"]["volumeClaimTemplates"], each["metadata"]["name"]
        assert "persistentVolumeClaimRetentionPolicy" not in each["spec"]


def test_a_secret_of_ones_own_is_read_by_every_server_and_none_is_made() -> None:
    renders = render(case("gitops"))
    assert renders.kind("Secret") == []
    used = {
        volume["secret"]["secretName"]
        for _, pod in renders.pods()
        for volume in pod.get("volumes", [])
        if "secret" in volume
    }
    assert used == {"lake-passwords"}
