"""Search of the settings of a training by its validation studies."""
