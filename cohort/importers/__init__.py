"""Other people's annotations and public sets into a cohort folder that every command reads."""
