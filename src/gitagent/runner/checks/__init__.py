"""Checks: the guard and the commands, one kind of thing with one kind of result."""
