"""The store: tasks, runs, messages and claims as git objects (DESIGN sections 4 and 5)."""
