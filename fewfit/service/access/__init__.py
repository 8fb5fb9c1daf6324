"""Who may ask: API keys and the sessions of the dashboard."""
