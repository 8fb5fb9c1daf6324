"""Datasets: from an uploaded file to validated rows, their versions and edits."""
