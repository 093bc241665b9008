"""Checks of a submission: a Tree and a Round go in, a Report comes out."""
