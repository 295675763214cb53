"""external: a command of the user's trains, in a process of its own; files carry the request and the answer."""
