"""Who is evaluated: saved results, reference data, and every study counted once."""
