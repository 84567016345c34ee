"""Progress and status of a run, for people and programs that look on."""
