"""What a head gains with the patients that it is fitted on."""
