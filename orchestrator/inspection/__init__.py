"""A closer look at data and models, which no criterion asks for."""
