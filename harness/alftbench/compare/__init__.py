"""Methods × seeds at equal budget: plan the trials, run them, publish."""
