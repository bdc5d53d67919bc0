"""From measurements to a verdict: criteria, claims, admissibility."""
