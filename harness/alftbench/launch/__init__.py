"""How work reaches processes: jobs on this machine, actors of a Ray cluster."""
