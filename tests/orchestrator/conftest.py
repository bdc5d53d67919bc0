"""Ray reads its settings as it is imported, so they are put in place before any test module is."""

from orchestrator.cluster import settle

settle()
