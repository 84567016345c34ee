"""Untrusted text: small files of limited size, and quotes in messages."""
