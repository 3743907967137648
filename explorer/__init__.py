"""Runs in the browser: what is computed (`source`, `views`), how it is drawn (`charts`, templates), and the page."""
