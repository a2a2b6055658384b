"""Airflow plugin of Switchyard: registers what the package holds."""

from airflow.plugins_manager import AirflowPlugin

from switchyard.airflow import catalog_listener

catalog_listener.adopt()


class SwitchyardPlugin(AirflowPlugin):
    """DataHub's listener, with the changes that `switchyard.airflow.catalog_listener` tells of."""

    name = "switchyard"
