"""Runs of movies that are still being recorded."""
