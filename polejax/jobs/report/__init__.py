"""The report: one self-contained web page of any folder of results."""
