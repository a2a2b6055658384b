"""The only place that imports Airflow: operators, DAG factories, connections. Parsing it does no I/O."""
