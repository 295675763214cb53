"""What is measured of an orbit's answers, and its interval."""
