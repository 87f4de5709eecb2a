"""Makes a Swit organisation follow a company's directory, through Dagster."""

__version__ = "0.1.0"
ENV_FILE_VARIABLE = "SWIT_PROVISIONING_ENV_FILE"
"""Names the file with settings, for this process and the processes that it starts."""
