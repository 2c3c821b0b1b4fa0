"""The command line: parse, build, call, report. `session` alone reads the surroundings."""
