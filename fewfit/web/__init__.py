"""What the HTTP API and the dashboard share: statuses, request errors, multipart bodies. No routes."""
