"""The two legs, step by step, as DESIGN's protocols say. No Airflow here: DAGs, CLI and tests call the same functions."""
