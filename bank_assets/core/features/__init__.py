"""From a contact to the inputs of a model: as-of rates, the plan of its day, one definition of every feature."""
