"""The report: one data model, several renderings."""
