"""Datasets, jobs, models and keys: what runs behind the HTTP service and the dashboard. Knows no HTTP.

`Service.open(settings)` gives everything; its records are in `fewfit.service.records`, its errors in
`fewfit.service.errors`. Every method that takes a `Caller` checks its scope and sees only its organisation.
All methods block and may be called from several threads at once.
"""

from fewfit.service.service import Service

__all__ = ["Service"]
