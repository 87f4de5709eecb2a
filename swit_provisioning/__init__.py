"""Makes a Swit organisation follow a company's directory, through Dagster."""

__version__ = "0.1.0"
