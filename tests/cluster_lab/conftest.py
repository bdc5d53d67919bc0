"""What pytest is not to import: the cloud runs in an environment of its own, which has moto."""

collect_ignore = ["cloud.py"]
