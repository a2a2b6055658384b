"""What helm/README.md says of the chart is so."""

from __future__ import annotations

import re

import pytest
import yaml

from harness.charts import CHART, rendered_case
from harness.checkout import CHECKOUT
from switchyard.connections.sources import EnvironmentConnections

README = (CHECKOUT / "helm" / "README.md").read_text(encoding="utf-8")
URIS = dict(re.findall(r"^\| `(AIRFLOW_CONN_\w+)` \| `(\S+)` \|$", README, re.MULTILINE))


@pytest.mark.parametrize("key", URIS)
def test_a_connection_by_hand_is_the_one_that_the_chart_makes(key: str) -> None:
    conn_id = key.removeprefix("AIRFLOW_CONN_").lower()
    secret = rendered_case("all").secret("connections")
    ours = EnvironmentConnections(secret).get(conn_id)
    by_hand = EnvironmentConnections({key: URIS[key]}).get(conn_id)
    assert (by_hand.conn_type, by_hand.host, by_hand.login) == (ours.conn_type, ours.host.split(":")[0], ours.login)
    assert by_hand.port == (ours.port or 27017)
    assert by_hand.schema == ours.schema
    assert bool(by_hand.password) == bool(ours.password)
    assert dict(by_hand.extra) == {name: str(value) for name, value in ours.extra.items()}


def test_every_connection_of_the_releases_servers_is_shown() -> None:
    assert URIS.keys() == rendered_case("all").secret("connections").keys() - {"AIRFLOW_CONN_DATAHUB"}


def test_every_image_is_shown() -> None:
    images = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))["images"]
    shown = re.findall(r"^\| `(\w+)` \| ", README.split("| image |")[1].split("\n\n")[0], re.MULTILINE)
    assert sorted(shown) == sorted(name for name, image in images.items() if isinstance(image, dict))


def test_what_is_asked_for_is_what_the_readme_says() -> None:
    renders = rendered_case("all")
    servers = renders.kind("StatefulSet", "Deployment")
    memory = [
        container["resources"]["requests"]["memory"]
        for each in servers
        for container in each["spec"]["template"]["spec"]["containers"]
    ]
    claims = [
        claim["spec"]["resources"]["requests"]["storage"]
        for each in servers
        for claim in each["spec"].get("volumeClaimTemplates", [])
    ]
    assert f"about {round(sum(map(gibibytes, memory)))} GiB of memory asked for" in README.replace("\n", " ")
    assert f"{sum(map(gibibytes, claims)):.0f} GiB of claims" in README.replace("\n", " ")


def gibibytes(quantity: str) -> float:
    """GiB of a quantity in Mi or Gi."""
    return float(quantity[:-2]) / {"Mi": 1024, "Gi": 1}[quantity[-2:]]
