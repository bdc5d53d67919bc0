"""Results of others, judged by the criteria of a study after the fact."""
