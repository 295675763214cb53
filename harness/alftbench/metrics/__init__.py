"""What is measured of a problem's answers."""
