"""The life of a study, from its plan to its sealed verdict."""
