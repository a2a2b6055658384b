"""What the bench decides without starting anything."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from switchyard_cluster import addresses, build
from switchyard_cluster.certificates import Authority, Subject
from switchyard_cluster.configuration import write_configuration
from switchyard_cluster.layout import BenchLayout
from switchyard_stack.errors import StackError


@pytest.fixture
def layout(tmp_path: Path) -> BenchLayout:
    layout = BenchLayout(tmp_path / "cluster", tmp_path / "cache", tmp_path / "tools")
    layout.make_directories()
    return layout


@pytest.mark.parametrize("covered", ["/run/switchyard", "/var/lib/switchyard", "/var/log/x/y"])
@pytest.mark.parametrize("setting", ["SWITCHYARD_STATE", "SWITCHYARD_CLUSTER_CACHE"])
def test_a_directory_that_the_node_covers_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, covered: str, setting: str
) -> None:
    monkeypatch.setenv("SWITCHYARD_STATE", str(tmp_path / "s"))
    monkeypatch.setenv("SWITCHYARD_CLUSTER_CACHE", str(tmp_path / "c"))
    BenchLayout.from_environment()
    monkeypatch.setenv(setting, covered)
    with pytest.raises(StackError, match=f"cannot live in {covered}") as refusal:
        BenchLayout.from_environment()
    assert setting in refusal.value.cure


def test_a_kubeconfig_names_the_api_and_trusts_its_authority_and_only_its_owner_reads_it(layout: BenchLayout) -> None:
    write_configuration(layout)
    content = yaml.safe_load(layout.kubeconfig.read_text())
    assert content["clusters"][0]["cluster"]["server"] == f"https://{addresses.NODE_ADDRESS}:{addresses.API_PORT}"
    private = [layout.kubeconfig, *layout.conf.glob("*.kubeconfig"), *layout.pki.glob("*.key")]
    assert len(private) == 6 + 5
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}


def test_the_api_server_is_itself_by_every_name_that_a_client_calls_it() -> None:
    subject = Subject("api", addresses=("10.0.0.1",), hosts=("kubernetes.default.svc",))
    authority = Authority()
    certificate = x509.load_pem_x509_certificate(authority.issue(subject).certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["kubernetes.default.svc"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("10.0.0.1")]
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.credentials.certificate))


def test_a_clients_groups_are_its_organizations_and_it_is_no_server() -> None:
    certificate = x509.load_pem_x509_certificate(Authority().issue(Subject("me", groups=("a", "b"))).certificate)
    assert certificate.subject.rfc4514_string() == "CN=me,O=b,O=a"
    usage = certificate.extensions.get_extension_for_oid(ExtensionOID.EXTENDED_KEY_USAGE).value
    assert [key.dotted_string for key in usage] == ["1.3.6.1.5.5.7.3.2"]
    assert certificate.not_valid_after_utc > datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=300)


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "node/main.go"])
def test_programs_are_built_anew_when_what_they_are_made_of_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changed: str
) -> None:
    monkeypatch.setattr(build, "GO_SOURCES", tmp_path)
    for name in ("go.mod", "go.sum", "node/main.go"):
        (tmp_path / "kubernetes" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "kubernetes" / name).write_text("one")
    before = build.programs_directory(tmp_path, "kubernetes")
    assert build.programs_directory(tmp_path, "kubernetes") == before
    (tmp_path / "kubernetes" / changed).write_text("two")
    assert build.programs_directory(tmp_path, "kubernetes") != before
