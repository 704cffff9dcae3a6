"""Trained reference weights."""
