"""Who writes the change. An agent knows `core.protocols` and never the runner."""
