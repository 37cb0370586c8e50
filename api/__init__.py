"""Speaks HTTP; owns no rule about tasks."""
