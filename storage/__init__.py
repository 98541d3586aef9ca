"""Delta tables, their schemas, lineage and catalog queries."""
