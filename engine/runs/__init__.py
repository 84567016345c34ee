"""Runs: one movie after the other, from the job to its outputs."""
