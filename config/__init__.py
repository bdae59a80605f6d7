"""What an operator decides: the settings, with a sentence for every one that does not fit. Knows only the store."""
