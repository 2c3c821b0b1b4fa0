"""The work: a run as a journal of steps, from claim to landing (DESIGN section 6)."""
