"""Parts that users bring: found by name, imported only where a user has named them, and hashed."""
