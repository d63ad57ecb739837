"""Bars about pictures: what is right in them, and what they cost."""
