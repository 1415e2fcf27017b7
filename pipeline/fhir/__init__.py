"""A result as FHIR R4 resources."""
