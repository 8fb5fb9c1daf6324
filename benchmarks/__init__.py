"""Measurements of fewfit beside its peers; each file here that is not in a folder is a command."""
