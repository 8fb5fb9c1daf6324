"""Datasets, jobs, models and keys: what runs behind the HTTP service and the dashboard. Knows no HTTP.

What other packages use is described in `fewfit.service.interface`; records are in `fewfit.service.records`,
errors in `fewfit.service.errors`.
"""
