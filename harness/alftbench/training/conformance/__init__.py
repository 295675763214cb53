"""Is a trainer right? A suite that remembers what it grades, short runs on it, and checks of what came of them."""
