"""Models in use: loaded, asked, tried out, corrected, reviewed and counted."""
