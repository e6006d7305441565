"""Documents: their text is translated, and all else stays as it is."""
