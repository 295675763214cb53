"""Methods × seeds at equal budget."""
