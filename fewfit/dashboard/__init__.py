"""The dashboard: pages in the browser over the service. `create_dashboard(service, settings)` gives the ASGI app.

Every page is rendered on the server and works without scripts; small ones make it livelier. Each has a twin in
JSON at the same path. Nothing comes from anywhere but this machine.
"""

from fewfit.dashboard.app import create_dashboard

__all__ = ["create_dashboard"]
