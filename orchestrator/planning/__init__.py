"""What a sweep will do, what it can detect and what it will cost."""
