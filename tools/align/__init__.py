"""Compares projects with the template that they came from, and updates them."""
