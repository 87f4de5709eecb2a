"""Tests: the package mirrored, plus integration/ (real servers) and browser/ (a real browser)."""
