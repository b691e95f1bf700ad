"""Holds projects against the template that they came from, and brings them forward."""
