"""What `prefect.yaml` deploys: plain parameters, validated, then what the command line does."""

from flows.prefect_settings import prepare_environment

# Here, so that it is done before any module of this package imports Prefect.
prepare_environment()
