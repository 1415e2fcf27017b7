"""Who the simulated patients are, and what ails their spines."""
