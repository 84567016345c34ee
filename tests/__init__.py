"""Specifications of posestream; helpers that several of them share."""
