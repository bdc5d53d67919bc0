"""Packs on Ray: the search, its trials, its workers, and the record of each lane."""
